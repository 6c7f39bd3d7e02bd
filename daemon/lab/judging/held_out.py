"""Held-out figures of a model against what anyone could have said: the mid, a formula, the base rate.

All are means over the rows of held-out markets. The rows of one market share one outcome, so the
interval of the skill is a bootstrap over whole markets.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import erf, log, sqrt

import msgspec

BOOTSTRAP_DRAWS = 1_000


class Judged(msgspec.Struct, frozen=True):
    """One held-out market: its outcome and, per row, the probabilities that were said.

    `expected` is the probability that the world's maker knew, or the outcome where nobody knew more.
    """

    is_yes: bool
    expected: tuple[float, ...]
    model: tuple[float, ...]
    mid: tuple[float, ...]
    formula: tuple[float, ...]


def normal_cdf(sigmas: float) -> float:
    """Return the standard normal distribution function: the formula's P(YES) at a distance in sigmas."""
    return 0.5 * (1 + erf(sigmas / sqrt(2)))


def _brier(said: Sequence[float], is_yes: bool) -> float:
    return sum((p - is_yes) ** 2 for p in said)


def _log_loss(said: Sequence[float], is_yes: bool) -> float:
    # A price of 0 or 1 would cost infinitely much when wrong; clipped as the exchange's grid clips it.
    clipped = [min(max(p if is_yes else 1 - p, 1e-3), 1.0) for p in said]
    return -sum(log(p) for p in clipped)


def _rmse(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> float:
    squares = [(p - q) ** 2 for said, truth in pairs for p, q in zip(said, truth, strict=True)]
    return sqrt(sum(squares) / len(squares))


def figures(markets: Sequence[Judged], seed: int) -> dict[str, float]:
    """Return Brier scores, log losses, calibration and the model's skill over the mid, by name.

    Skill is 1 - Brier / Brier of the mid; `_low` and `_high` bound it in 95 of 100 draws of markets. The
    `rmse_` are root mean square distances to `expected`, which have no noise of single outcomes in them.

    Raises:
        ValueError: no market or no row to judge by.
    """
    rows = sum(len(market.model) for market in markets)
    if not rows:
        raise ValueError("nothing to judge by: no held-out rows")
    base_rate = sum(market.is_yes * len(market.model) for market in markets) / rows
    of_model = [_brier(market.model, market.is_yes) for market in markets]
    of_mid = [_brier(market.mid, market.is_yes) for market in markets]
    rng = random.Random(seed)  # noqa: S311 - a reproducible bootstrap, no secret
    skills = []
    for _ in range(BOOTSTRAP_DRAWS):
        drawn = rng.choices(range(len(markets)), k=len(markets))
        mid = sum(of_mid[index] for index in drawn)
        skills.append(1 - sum(of_model[index] for index in drawn) / mid if mid else 0.0)
    skills.sort()
    distances = {
        "rmse_model": _rmse((market.model, market.expected) for market in markets),
        "rmse_mid": _rmse((market.mid, market.expected) for market in markets),
        "rmse_formula": _rmse((market.formula, market.expected) for market in markets),
    }
    return distances | {
        "markets": float(len(markets)),
        "rows": float(rows),
        "brier_model": sum(of_model) / rows,
        "brier_mid": sum(of_mid) / rows,
        "brier_formula": sum(_brier(market.formula, market.is_yes) for market in markets) / rows,
        "brier_base_rate": base_rate * (1 - base_rate),
        "log_loss_model": sum(_log_loss(market.model, market.is_yes) for market in markets) / rows,
        "log_loss_mid": sum(_log_loss(market.mid, market.is_yes) for market in markets) / rows,
        "mean_probability": sum(sum(market.model) for market in markets) / rows,
        "base_rate": base_rate,
        "skill_over_mid": 1 - sum(of_model) / sum(of_mid) if sum(of_mid) else 0.0,
        "skill_over_mid_low": skills[round(0.025 * BOOTSTRAP_DRAWS)],
        "skill_over_mid_high": skills[round(0.975 * BOOTSTRAP_DRAWS) - 1],
    }
