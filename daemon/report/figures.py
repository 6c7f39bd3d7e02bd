"""All figures of a period, from the store and the journals: what the page draws and `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from daemon.core.limits import Limits
from daemon.core.units import Ns
from daemon.report.facts import AccountPoint, Facts, Incident, Judged, read_facts
from daemon.report.mids import Mids, journals_between
from daemon.report.period import Period
from daemon.report.quality import (
    HORIZONS,
    FillLine,
    MarkOut,
    ScoreBin,
    Slippage,
    asked_by,
    calibration,
    fill_lines,
    mark_outs,
    slippages,
)
from daemon.report.results import Results, open_tickers, results, worths_of
from daemon.report.risk import RiskUse, risk_uses
from daemon.shell.store import STORE_NAME

INCIDENTS_MAX = 500
"""More are counted only: a page has to open."""
POINTS_MAX = 400
FILLS_MAX = 2_000
"""Of more the last ones are told each; all are in the sums."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A period's report. Money in 1e-6 $, Qty in 0.01 contract, instants in ns; unknown is None.

    Attributes:
        days: the days, as they were asked for.
        since: its first instant.
        until: its end: when it was written, where the last day isn't over.
        mode: where it was traded.
        runs: how many lives of the daemon had a part in it.
        fills: the last 2,000, oldest first.
        account: at most 400 points, evenly taken; deposits are in them.
        incidents: the first 500, oldest first.
        incidents_total: how many there were.
        refusals: how often each reason to refuse began.
        notes: what a reader has to know.
    """

    days: str
    since: Ns
    until: Ns
    mode: str
    runs: int
    results: Results
    mark_outs: tuple[MarkOut, ...]
    slippages: tuple[Slippage, ...]
    fills: tuple[FillLine, ...]
    calibration: tuple[ScoreBin, ...]
    judged: Judged | None
    account: tuple[AccountPoint, ...]
    risk: tuple[RiskUse, ...]
    refusals: tuple[tuple[str, int], ...]
    incidents: tuple[Incident, ...]
    incidents_total: int
    notes: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no daemon of this mode ran in the period."""
        return not self.runs


def gather_figures(folder: Path, mode: str, limits: Limits, period: Period, now: Ns) -> Figures:
    """Return the figures of a period; the part of it that lies ahead is left out.

    Args:
        folder: the state folder, with the store and the journals.
        mode: whose runs are looked at.
        limits: those that are configured now.
        period: the days.
        now: our clock.

    Raises:
        StoreUnreadable: there is nothing to report from.
    """
    asked_for = period.name
    period = Period(period.name, period.since, max(period.since, min(period.until, now)))
    facts = read_facts(folder / STORE_NAME, mode, period)
    epochs = [run.epoch for run in facts.runs]
    inside = [fill for fill in facts.fills if fill.at >= period.since]
    asked = asked_by(inside)
    for at in (period.since, period.until):
        asked += [(at - 1, ticker) for ticker in open_tickers(facts, at)]
    horizon = max((at for at, _ in asked), default=period.until) + 1
    first = min((at for at, _ in asked), default=period.since)
    paths = list(journals_between(folder / "journal", epochs, min(first, period.since), horizon))
    mids = Mids(asked)
    mids.read(paths, max(horizon, period.until))
    incidents = sorted(
        [*facts.incidents, *(one for one in mids.incidents if period.since <= one.at < period.until)],
        key=lambda one: one.at,
    )
    runs = [run for run in facts.runs if (run.ended_at or period.until) >= period.since]
    return Figures(
        days=asked_for,
        since=period.since,
        until=period.until,
        mode=mode,
        runs=len(runs),
        results=results(facts, period, worths_of(facts, mids), mids.events),
        mark_outs=mark_outs(inside, mids),
        slippages=slippages(inside, mids),
        fills=fill_lines(inside[-FILLS_MAX:], mids),
        calibration=calibration(facts),
        judged=facts.judged,
        account=_thinned(facts.account),
        risk=risk_uses(facts, period, limits, mids.events),
        refusals=facts.refusals,
        incidents=tuple(incidents[:INCIDENTS_MAX]),
        incidents_total=len(incidents),
        notes=_notes(facts, {int(path.stem) for path in paths}, period, now),
    )


def _thinned(account: Sequence[AccountPoint]) -> tuple[AccountPoint, ...]:
    step = -(-len(account) // POINTS_MAX) or 1
    return tuple(account[::step])


def _notes(facts: Facts, read: set[int], period: Period, now: Ns) -> tuple[str, ...]:
    found = []
    needed = {run.epoch for run in facts.runs if (run.ended_at or period.until) >= period.since}
    missing = sorted(needed - read)
    if missing:
        found.append(
            f"{len(missing)} of {len(needed)} runs have no journal here: their mark-outs, and slippage"
            " against the mid, are unknown."
        )
    if period.until == now:
        found.append("The last day is not over.")
    if any(fill.at + HORIZONS[-1] > now for fill in facts.fills):
        found.append("Of the newest fills the later mark-outs are still to come.")
    return tuple(found)
