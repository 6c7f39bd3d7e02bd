"""What is read of a store: one mode, one period, and the fills that led to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.core.units import DAY, HOUR
from daemon.report.facts import NOBODY, Decision, Run, read_facts
from daemon.shell.store import STORE_NAME
from daemon.shell.store import rows as r
from daemon.shell.store.reading import StoreUnreadable
from tests.report.days import (
    DAY_0,
    NOON,
    PERIOD,
    M,
    epoch_of,
    fill,
    keep_store,
    place,
    run,
    small_day,
)


def test_a_fill_has_the_newest_decision_of_its_order(tmp_path: Path) -> None:
    """Of two prices decided for one order the one that stood; none of an order that nobody placed."""
    keep_store(
        tmp_path, 1,
        run(DAY_0), place("a", NOON, 4_000), place("a", NOON + 2, 4_100), place("a", NOON + 9, 4_200),
        fill("a", NOON + 5, 4_100), fill("b", NOON + 6, 4_100),
    )  # fmt: skip
    first, second = read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD).fills
    assert (Decision(NOON + 2, 4_100, "s"), "s") == (first.decision, first.strategy)
    assert (None, NOBODY) == (second.decision, second.strategy)


def test_a_fill_that_names_no_client_order_is_found_by_its_order(tmp_path: Path) -> None:
    """The venue's lists may tell a fill by its order's id only: it is our strategy's all the same."""
    nameless = fill("a", NOON + 5, 4_100, has_name=False)
    order = r.OrderChange(NOON, "kd-a", "o-a", M, "resting", 0, "OrderAccepted")
    keep_store(tmp_path, 1, run(DAY_0), place("a", NOON, 4_000), order, nameless)
    (found,) = read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD).fills
    assert "s" == found.strategy


def test_other_modes_and_later_days_are_left_out_and_earlier_fills_are_not(tmp_path: Path) -> None:
    """What was held at midnight is made of the fills before it; demo is another exchange."""
    keep_store(tmp_path, 1, run(DAY_0 - DAY), fill("before", DAY_0 - HOUR, 4_000))
    keep_store(tmp_path, 2, run(DAY_0, "demo"), fill("demo", NOON, 4_000))
    keep_store(tmp_path, 3, run(DAY_0), fill("in", NOON, 4_000), fill("later", DAY_0 + DAY, 4_000))
    found = read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD)
    assert ["before", "in"] == [one.trade_id for one in found.fills]
    assert (Run(1, DAY_0 - DAY, DAY_0), Run(3, DAY_0, None)) == found.runs


def test_incidents_are_told_in_order_and_in_words(tmp_path: Path) -> None:
    """Runs, findings and halts of the period; unknown is said so; a killed run is one too."""
    small_day(tmp_path)
    keep_store(tmp_path, epoch_of(NOON) + 1, run(NOON + 3 * HOUR))
    keep_store(tmp_path, epoch_of(NOON) + 2, run(NOON + 4 * HOUR))
    found = read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD).incidents
    assert [
        ("run", "began, version 0"),
        ("finding", "fill_missed o-c: believed unknown, told 100; adopt"),
        ("halt", "latch by cli: a <test>"),
        ("run", "ended: asked (exit code 0)"),
        ("run", "the run that began now was killed: its end was never written"),
        ("run", "began, version 0"),
        ("run", "began, version 0"),
    ] == [(one.kind, one.words) for one in found]
    assert NOON == found[1].at


def test_scores_are_of_markets_that_ended_in_the_period(tmp_path: Path) -> None:
    """The mean score of placed orders, and what was paid; nothing on another day."""
    small_day(tmp_path)
    found = read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD)
    assert ((M, 0.25, 1.0),) == found.scored
    assert found.judged is not None
    assert (1, 30, 0.2, 0.3) == (
        found.judged.markets, found.judged.instants, found.judged.model, found.judged.mid
    )  # fmt: skip
    assert (("wide_spread", 3),) == found.refusals


def test_what_is_no_store_is_named(tmp_path: Path) -> None:
    """None there, somebody else's file, and one of another version."""
    path = tmp_path / STORE_NAME
    with pytest.raises(StoreUnreadable, match=r"store\.sqlite: unable to open"):
        read_facts(path, "sandbox", PERIOD)
    with closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE fills (at)")
    with pytest.raises(StoreUnreadable, match="not a store of kalshid"):
        read_facts(path, "sandbox", PERIOD)
    path.unlink()
    keep_store(tmp_path, 1, run(DAY_0))
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnreadable, match="version 99; this program reads"):
        read_facts(path, "sandbox", PERIOD)
