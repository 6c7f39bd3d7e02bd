"""One model's report: every figure of a judgement, as JSON and as a page. Its first line is the verdict.

A report is a value: the same rows and seed give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemon.lab.judging.calibration import NO_LINE
from daemon.lab.judging.execution import NetValue, Purchases, net_values
from daemon.lab.judging.record import TradingRecord
from daemon.lab.judging.reliability import ReliabilityBin, reliability_bins
from daemon.lab.judging.rows import JudgedRows
from daemon.lab.judging.scores import BrierParts, brier_parts
from daemon.lab.judging.skill import (
    Comparison,
    EventFigures,
    FoldFigures,
    ForecastFigures,
    compare,
    event_figures,
    fold_figures,
    forecast_figures,
    headline,
    market_of,
)

JSON_FILE = "report.json"


class Importance(msgspec.Struct, frozen=True):
    """How much a feature mattered: its share of the gain of splits, and its mean |SHAP| in logits."""

    feature: str
    gain: float
    shap: float


class Report(msgspec.Struct, frozen=True):
    """All figures of one model on held-out rows. `headline` says whether anything beats the market."""

    headline: str
    model: str
    seed: int
    rows: int
    left_out: int
    """Rows on which a forecast was unknown; they are in no figure."""
    independent: int
    """Independent outcomes: what all intervals are drawn from."""
    market: str
    """Which mid is the market's word: the one with the lower Brier score."""
    forecasts: tuple[ForecastFigures, ...]
    comparisons: tuple[Comparison, ...]
    parts: BrierParts
    """Of the model's Brier score."""
    reliability: dict[str, tuple[ReliabilityBin, ...]]
    """Of the model and of the market."""
    folds: tuple[FoldFigures, ...]
    events: tuple[EventFigures, ...]
    net_values: tuple[NetValue, ...]
    """Empty where the rows have no books."""
    importance: tuple[Importance, ...]
    trading: TradingRecord | None
    notes: tuple[str, ...]


def judge(
    rows: JudgedRows,
    *,
    model: str,
    seed: int,
    importance: tuple[Importance, ...] = (),
    trading: TradingRecord | None = None,
    notes: tuple[str, ...] = (),
) -> Report:
    """Return the report of a model on held-out rows.

    Args:
        rows: from `rows.judged_rows`.
        model: its name and version.
        seed: of the bootstraps.
        importance: of its features, if it has some.
        trading: the record of a backtest with it.
        notes: what else a reader must know, such as what the rows are.
    """
    market = market_of(rows)
    comparisons = [compare(rows, "model", rival, seed) for rival in rows.forecasts if rival != "model"]
    others = [name for name in rows.forecasts if name in ("structural", "base rate")]
    comparisons += [compare(rows, name, market, seed) for name in others]
    values: tuple[NetValue, ...] = ()
    if rows.bid is not None and rows.ask is not None and rows.fees is not None:
        bought = Purchases(rows.forecasts["model"], rows.outcomes, rows.bid, rows.ask, rows.fees)
        values = net_values(bought, rows.blocks, seed)
    forecasts = tuple(forecast_figures(rows, name, seed) for name in rows.forecasts)
    own = forecasts[0]
    warnings = []
    if own.line == NO_LINE:
        warnings.append("No calibration line: the outcomes or what was said are all the same, or separated.")
    elif own.line.slope_high is not None and own.line.slope_high < 1:
        warnings.append("Over-confident: the whole interval of the calibration slope is below 1.")
    if rows.left_out:
        warnings.append(f"{rows.left_out} rows are left out: a forecast was unknown there.")
    return Report(
        headline=headline(tuple(comparisons), market),
        model=model,
        seed=seed,
        rows=rows.count,
        left_out=rows.left_out,
        independent=rows.blocks.count,
        market=market,
        forecasts=forecasts,
        comparisons=tuple(comparisons),
        parts=brier_parts(rows.forecasts["model"], rows.outcomes),
        reliability={
            name: reliability_bins(rows.forecasts[name], rows.outcomes, rows.blocks, seed)
            for name in ("model", market)
        },
        folds=fold_figures(rows, seed),
        events=event_figures(rows),
        net_values=values,
        importance=importance,
        trading=trading,
        notes=(*notes, *warnings),
    )


def encode_report(report: Report) -> bytes:
    """Return the report as JSON, its fields in order, unknown as null."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def decode_report(payload: bytes) -> Report:
    """Return a report that `encode_report` wrote. Raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(payload, type=Report)


def read_report(folder: Path) -> Report:
    """Return the report of a folder.

    Raises:
        FileNotFoundError: there is none.
        msgspec.ValidationError: it isn't one.
    """
    return decode_report((folder / JSON_FILE).read_bytes())
