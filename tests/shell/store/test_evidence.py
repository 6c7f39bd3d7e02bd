"""The go-live report from a real store: which runs, days and fills count, and what they came to."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.units import DAY, HOUR, PRICE_ONE, SECOND, Ns
from daemon.shell.golive import GoLiveReport, StrategyRun
from daemon.shell.store import STORE_NAME, Store
from daemon.shell.store import rows as r
from daemon.shell.store.evidence import NoEvidence, Wanted, gather
from daemon.shell.store.projection import EQUITY_EVERY

STRATEGIES = (StrategyRun("s", "a1"),)
WANTED = Wanted(STRATEGIES, "m1", "l1")
DAY_0: Ns = 20_000 * DAY
NOW: Ns = DAY_0 + 5 * DAY + HOUR
FEE = 1_500


def run(mode: str = "demo", at: Ns = DAY_0, **changes: str) -> r.Run:
    """The beginning of a run that counts."""
    words = {"model_sha256": "m1", "limits_hash": "l1", "config_sha256": "c", **changes}
    return r.Run(at, mode, "0", '[{"name":"s","sha256":"a1"}]', **words)


def fill(name: str, at: Ns, price: int = 5_000, side: str = "bid", **changes: object) -> list[r.Row]:
    """A fill of one contract, and the order that it is of."""
    words: dict[str, object] = {"fee_predicted": FEE, "is_taker": 1, "mid": None, "ticker": "M", **changes}
    order = r.OrderChange(at, f"kd-{name}", f"o-{name}", "M", "resting", 0, "decided")
    told = r.Fill(
        at=at, trade_id=name, order_id=f"o-{name}", client_order_id=None, side=side, price=price, qty=100,
        fee=FEE, **words,  # type: ignore[arg-type]
    )  # fmt: skip
    return [order, told]


def hours(day: int, count: int = 6, phase: str = "trading") -> list[r.Row]:
    """So many hours of a day in a phase."""
    points = count * HOUR // EQUITY_EVERY
    start = DAY_0 + day * DAY
    return [r.EquityPoint(start + number * EQUITY_EVERY, 0, 0, 0, 0, 0, phase) for number in range(points)]


def keep(folder: Path, *rows: r.Row, epoch: int = 1) -> None:
    """Write what a run left."""
    store = Store(folder / STORE_NAME, epoch)
    store.put(rows)
    store.close()
    assert 0 == store.lost_total


def report(folder: Path, wanted: Wanted = WANTED, days: int = 14) -> GoLiveReport:
    """The report, as the command asks for it."""
    return gather(folder / STORE_NAME, wanted, days=days, now=NOW, version="0")


def test_a_day_counts_with_six_hours_of_trading_and_a_fill(tmp_path: Path) -> None:
    """Neither five hours, nor hours of a halt, nor a day that filled nothing; what is missing is named."""
    rows = [
        *hours(0), *fill("a", DAY_0 + HOUR),
        *hours(1, 5), *fill("b", DAY_0 + DAY + HOUR),
        *hours(2, 6, "halted"), *fill("c", DAY_0 + 2 * DAY + HOUR),
        *hours(3),
        *hours(4), *fill("d", DAY_0 + 4 * DAY + HOUR),
    ]  # fmt: skip
    keep(tmp_path, run(), *rows)
    found = report(tmp_path)
    assert ("2024-10-04", "2024-10-08", 2) == (found.from_day, found.to_day, found.days)
    assert ("2024-10-05", "2024-10-06", "2024-10-07") == found.days_missing
    assert 4 == found.fills


def test_only_the_same_strategies_model_and_limits_count(tmp_path: Path) -> None:
    """Fills of other runs and of the sandbox are none; nothing in common says what differs."""
    others = [run(model_sha256="m2"), run(limits_hash="l2"), run("sandbox"), run("tape")]
    keep(tmp_path, run(), *hours(0), *fill("mine", DAY_0))
    for number, other in enumerate(others):
        keep(tmp_path, other, *hours(1), *fill(f"{number}", DAY_0 + DAY), epoch=2 + number)
    assert (1, 1) == (report(tmp_path).fills, report(tmp_path).days)
    with pytest.raises(NoEvidence, match=r"none of 3 runs .* differs in model, limits$"):
        report(tmp_path, Wanted(STRATEGIES, "m3", "l3"))


def test_the_mode_is_that_of_the_newest_run_that_counts(tmp_path: Path) -> None:
    """Demo and shadow are two exchanges: their fills are never summed up."""
    keep(tmp_path, run("demo"), *hours(0), *fill("a", DAY_0))
    keep(tmp_path, run("shadow", DAY_0 + DAY), *hours(1), *fill("b", DAY_0 + DAY), epoch=2)
    found = report(tmp_path)
    assert ("shadow", 1, "2024-10-05") == (found.mode, found.fills, found.from_day)


def test_days_before_the_ones_asked_for_are_left_out(tmp_path: Path) -> None:
    """`--days 2` looks at the two days that are over, and at today."""
    rows = [row for day in range(6) for row in (*hours(day), *fill(f"{day}", DAY_0 + day * DAY + 1))]
    keep(tmp_path, run(), *rows)
    assert (3, 3) == (report(tmp_path, days=2).days, report(tmp_path, days=2).fills)


def test_a_persons_own_fills_are_not_ours(tmp_path: Path) -> None:
    """What was traded by hand on the account is no evidence for a strategy."""
    theirs = r.Fill(DAY_0, "t", "o-theirs", "by-hand", "M", "bid", 9_900, 100, 1, None, 1, None)
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0), theirs)
    assert 1 == report(tmp_path).fills


def test_profit_is_what_markets_paid_and_the_last_mid_elsewhere(tmp_path: Path) -> None:
    """Exact to the last unit: a correction holds, a mid stands in, what nobody told is taken at the worst."""
    rows = [
        *hours(0),
        *fill("a", DAY_0, 4_000, ticker="PAID"),
        r.Settlement(DAY_0 + 1, "PAID", 0, 100, 0, 0), r.Settlement(DAY_0 + 2, "PAID", PRICE_ONE, 100, 0, 0),
        *fill("b", DAY_0, 4_000, ticker="OPEN", mid=4_100),
        r.Mark(DAY_0 + SECOND, "b", "o-b", SECOND, 4_300),
        *fill("c", DAY_0, 3_000, "ask", ticker="DARK"),
        *fill("d", DAY_0, 3_500, "bid", ticker="DARK"),
        *fill("e", DAY_0, 3_000, "ask", ticker="DARK"),
    ]  # fmt: skip
    keep(tmp_path, run(), *rows)
    paid, opened, dark = 6_000 * 100, 300 * 100, (3_000 - 3_500 + 3_000 - PRICE_ONE) * 100
    assert paid + opened + dark - 5 * FEE == report(tmp_path).pnl


def test_another_modes_results_are_not_ours(tmp_path: Path) -> None:
    """The sandbox plays markets of the same names, and they end otherwise."""
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0, 4_000), r.Settlement(DAY_0 + 1, "M", 0, 100, 0, 0))
    keep(tmp_path, run("sandbox"), r.Settlement(DAY_0 + 9, "M", PRICE_ONE, 100, 0, 0), epoch=2)
    assert -4_000 * 100 - FEE == report(tmp_path).pnl


def test_the_worse_queue_counts_makers_only_where_the_market_went_through(tmp_path: Path) -> None:
    """A resting order that was filled at a level that stayed may owe it to its place; takers all count."""
    rows = [
        *hours(0),
        *fill("taker", DAY_0, 4_000),
        *fill("thru", DAY_0, 4_000, is_taker=0), r.Mark(DAY_0 + SECOND, "thru", "o-thru", SECOND, 3_950),
        *fill("at", DAY_0, 4_000, is_taker=0), r.Mark(DAY_0 + SECOND, "at", "o-at", SECOND, 4_050),
        *fill("dark", DAY_0, 4_000, is_taker=0),
        r.Settlement(DAY_0 + 1, "M", PRICE_ONE, 400, 0, 0),
    ]  # fmt: skip
    keep(tmp_path, run(), *rows)
    found, one = report(tmp_path), 6_000 * 100 - FEE
    assert (4 * one, 2 * one) == (found.pnl, found.pnl_worse_queue)


def test_shadow_fills_by_the_worse_rule_already(tmp_path: Path) -> None:
    """There both figures are one."""
    keep(tmp_path, run("shadow"), *hours(0), *fill("a", DAY_0, is_taker=0))
    found = report(tmp_path)
    assert found.pnl == found.pnl_worse_queue


def test_markouts_are_weighted_by_contracts_and_say_of_how_many_fills(tmp_path: Path) -> None:
    """In dollars per contract, a seller's the other way round; unknown is None and not 0."""
    rows = [
        *hours(0),
        *fill("a", DAY_0, 4_000), r.Mark(DAY_0, "a", "o-a", 10 * SECOND, 4_300),
        *fill("b", DAY_0, 4_000, "ask"), r.Mark(DAY_0, "b", "o-b", 10 * SECOND, 4_100),
        r.Mark(DAY_0, "a", "o-a", SECOND, None),
    ]  # fmt: skip
    keep(tmp_path, run(), *rows)
    found = report(tmp_path)
    assert {"1s": None, "10s": pytest.approx(0.01), "60s": None} == found.markouts
    assert {"1s": 0, "10s": 2, "60s": 0} == found.markout_fills


def test_fees_are_held_against_all_predictions_or_none(tmp_path: Path) -> None:
    """A fill whose fee nobody could predict makes the sum unknown: half a sum would mislead."""
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0), *fill("b", DAY_0))
    assert (2 * FEE, 2 * FEE) == (report(tmp_path).fees_paid, report(tmp_path).fees_predicted)
    keep(tmp_path, run(), *fill("c", DAY_0, fee_predicted=None))
    assert (3 * FEE, None) == (report(tmp_path).fees_paid, report(tmp_path).fees_predicted)


def test_findings_are_counted_by_kind(tmp_path: Path) -> None:
    """Evidence with ghosts in it says so."""
    found = [r.Finding(DAY_0, kind, "x", None, 1, "correct") for kind in ("ghost", "orphan", "ghost")]
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0), *found)
    assert ({"ghost": 2, "orphan": 1}, 0) == (report(tmp_path).findings, report(tmp_path).findings_halting)
    keep(tmp_path, run(), r.Finding(DAY_0, "cash_drift", "cash", 2, 1, "halt"))
    assert ({"cash_drift": 1, "ghost": 2, "orphan": 1}, 1) == (
        report(tmp_path).findings,
        report(tmp_path).findings_halting,
    )


def test_nothing_that_counts_is_said(tmp_path: Path) -> None:
    """No store, none of ours, no paper run, no day: each is another sentence."""
    with pytest.raises(NoEvidence, match="unable to open"):
        report(tmp_path)
    (tmp_path / STORE_NAME).write_bytes(b"")
    with pytest.raises(NoEvidence, match="not a store of kalshid"):
        report(tmp_path)
    keep(tmp_path, run("sandbox"))
    with pytest.raises(NoEvidence, match="no run of mode"):
        report(tmp_path)
    keep(tmp_path, run(), *fill("a", DAY_0), epoch=2)
    with pytest.raises(
        NoEvidence, match=r"no day of demo counts among the last 14, 1 fills: a UTC day counts"
    ):
        report(tmp_path)


def test_a_run_in_which_a_traded_model_was_exchanged_is_no_evidence(tmp_path: Path) -> None:
    """It is not known to be of the model that it began with; a challenger was never traded."""
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0), r.ModelSwap(DAY_0, "challenger", "m", "2", "x"))
    assert 1 == report(tmp_path).days
    keep(tmp_path, r.ModelSwap(DAY_0, "default", "m", "2", "x"))
    with pytest.raises(NoEvidence, match="no run of mode"):
        report(tmp_path)


def test_a_run_that_was_reloaded_is_no_evidence(tmp_path: Path) -> None:
    """Its limits and strategies are not those that it began with."""
    keep(tmp_path, run(), *hours(0), *fill("a", DAY_0), r.ConfigReload(DAY_0, "x"))
    with pytest.raises(NoEvidence, match="no run of mode"):
        report(tmp_path)
