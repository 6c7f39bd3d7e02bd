"""The stakes of the highest expected log wealth: against SLSQP, a closed form, and by their own proof."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import minimize

from daemon.core.growth import grow

Problem = tuple[list[float], list[float], list[list[float]], list[float], float]


def problem(seed: int) -> Problem:
    """States, wealth, and binary contracts over them at costs off their chances: some are worth it."""
    rng = random.Random(seed)
    count = rng.choice([2, 3, 5, 8, 15, 30])
    weights = [rng.expovariate(1) for _ in range(count)]
    chances = [weight / sum(weights) for weight in weights]
    wealth = [1 + rng.choice([0.0, 0.1]) * rng.random() for _ in chances]
    yields, most = [], []
    for _ in range(rng.choice([1, 2, 3, 6])):
        paid = [float(rng.random() < 0.5) for _ in chances]
        chance = sum(one * pays for one, pays in zip(chances, paid, strict=True))
        mid = min(0.95, max(0.05, chance + rng.gauss(0, 0.06)))
        for side in (True, False):
            cost = (mid if side else 1 - mid) + 0.012
            for level in range(2):
                price = cost + 0.01 * level
                yields.append([(pays if side else 1 - pays) / price - 1 for pays in paid])
                most.append(rng.choice([0.02, 0.1, 1.0]))
    return chances, wealth, yields, most, rng.choice([0.05, 0.3, 0.95])


def growth_of(subject: Problem, stakes: list[float]) -> float:
    """Expected log wealth."""
    chances, wealth, yields, _, _ = subject
    after = np.array(wealth) + np.array(stakes) @ np.array(yields)
    return float(np.array(chances) @ np.log(after))


def slsqp(subject: Problem) -> list[float]:
    """The same by scipy's solver, without our code."""
    chances, wealth, yields, most, budget = (np.array(part) for part in subject)

    def loss(stakes: np.ndarray) -> float:
        return -float(chances @ np.log(np.maximum(wealth + stakes @ yields, 1e-12)))

    def slope(stakes: np.ndarray) -> np.ndarray:
        return np.asarray(-yields @ (chances / np.maximum(wealth + stakes @ yields, 1e-12)))

    found = minimize(
        loss,
        np.zeros(len(most)),
        jac=slope,
        bounds=[(0, min(bound, float(budget))) for bound in most],
        constraints=[{"type": "ineq", "fun": lambda stakes: budget - stakes.sum()}],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-14},
    )
    return [float(one) for one in found.x]


@pytest.mark.parametrize("seed", range(40))
def test_no_solver_finds_a_higher_growth(seed: int) -> None:
    """Never below SLSQP's growth, and within 1e-6 of it where it is right too."""
    subject = problem(seed)
    found = grow(*subject)
    ours, theirs = growth_of(subject, list(found.stakes)), growth_of(subject, slsqp(subject))
    assert ours >= theirs - 1e-9
    assert ours - theirs <= 1e-6


@given(seed=st.integers(0, 10_000))
@example(seed=178)  # 24 stakes of which many depend on each other: rounding had spent 8e-11 beyond the budget
def test_the_answer_is_feasible_and_proves_that_it_is_the_best(seed: int) -> None:
    """Inside the box and the budget; nothing feasible grows faster by more than the gap: next to none."""
    subject = problem(seed)
    _, _, _, most, budget = subject
    found = grow(*subject)
    assert found.gap <= 1e-9
    assert sum(found.stakes) <= budget + 1e-12
    assert all(0 <= stake <= bound for stake, bound in zip(found.stakes, most, strict=True))
    best, rng = growth_of(subject, list(found.stakes)), random.Random(seed)
    for _ in range(5):
        other = [min(bound, rng.random()) for bound in most]
        scale = min(1.0, budget / sum(other))
        other = [scale * one for one in other]
        if all(
            wealth + sum(one * row[state] for one, row in zip(other, subject[2], strict=True)) > 0
            for state, wealth in enumerate(subject[1])
        ):
            assert growth_of(subject, other) <= best + found.gap + 1e-12


@given(q=st.floats(0.02, 0.98), cost=st.floats(0.02, 0.98))
def test_one_contract_is_kellys_closed_form(q: float, cost: float) -> None:
    """(q - c) / (1 - c) of the wealth where there is an edge, else nothing."""
    found = grow([q, 1 - q], [1.0, 1.0], [[1 / cost - 1, -1.0]], [1.0], 1.0)
    assert found.stakes[0] == pytest.approx(max(0.0, (q - cost) / (1 - cost)), abs=1e-9)


def test_without_an_edge_nothing_is_staked() -> None:
    """Every outcome costs more than its chance: zero, exactly, with a proof."""
    found = grow([0.5, 0.5], [1.0, 1.0], [[0.9, -1.0], [-1.0, 0.9]], [1.0, 1.0], 1.0)
    assert ((0.0, 0.0), 0.0) == (found.stakes, found.gap)


def test_without_a_budget_nothing_is_staked() -> None:
    """A cap of nothing is kept, whatever the edge."""
    assert (0.0,) == grow([0.9, 0.1], [1.0, 1.0], [[1.0, -1.0]], [1.0], 0.0).stakes


def test_what_holds_the_same_contract_twice_is_solved_too() -> None:
    """Two instruments that pay alike have no single best split: any is right, the sum is Kelly's."""
    found = grow([0.6, 0.4], [1.0, 1.0], [[1.0, -1.0], [1.0, -1.0]], [0.15, 1.0], 1.0)
    assert sum(found.stakes) == pytest.approx(0.2, abs=1e-9)


@pytest.mark.parametrize(
    ("wealth", "most", "budget", "message"),
    [
        ([1.0, 0.0], [1.0], 1.0, "without wealth"),
        ([1.0, 1.0], [-1.0], 1.0, "below zero"),
        ([1.0, 1.0], [1.0], -0.1, "below zero"),
        ([1.0], [1.0], 1.0, "by state"),
        ([1.0, 1.0], [1.0, 1.0], 1.0, "by stake"),
    ],
)
def test_nonsense_is_refused(wealth: list[float], most: list[float], budget: float, message: str) -> None:
    """A state in which we are ruined already has no logarithm; shapes must fit."""
    with pytest.raises(ValueError, match=message):
        grow([0.5, 0.5], wealth, [[1.0, -1.0]], most, budget)


def test_the_same_numbers_give_the_same_stakes() -> None:
    """Bit for bit: a replay sizes as we did."""
    assert grow(*problem(7)) == grow(*problem(7))
    assert not math.isnan(grow(*problem(7)).gap)
