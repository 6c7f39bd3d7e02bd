"""How much of the limits was used: the most of each over time, as counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.units import DAY, HOUR, MINUTE, SECOND
from daemon.report.facts import AccountPoint, read_facts
from daemon.report.risk import RiskUse, _within_a_minute, risk_uses
from daemon.shell.store import STORE_NAME
from daemon.shell.store import rows as r
from tests.core.worlds import LIMITS
from tests.report.days import DAY_0, NOON, PERIOD, M, N, fill, keep_store, place, run, small_day


def uses(folder: Path, **events: str) -> dict[str, RiskUse]:
    """What a folder's store says, by name; `events` are of M and N."""
    facts = read_facts(folder / STORE_NAME, "sandbox", PERIOD)
    named = {M: events.get("m", M), N: events.get("n", N)}
    return {one.name: one for one in risk_uses(facts, PERIOD, LIMITS, named)}


def most(folder: Path, **events: str) -> dict[str, int | None]:
    """The most of each limit."""
    return {name: one.most for name, one in uses(folder, **events).items()}


def test_a_small_day(tmp_path: Path) -> None:
    """Two orders of ours within a minute; one contract of each of two markets at once."""
    small_day(tmp_path)
    assert {
        "loss if all went wrong": 5_000_000,
        "fall of equity within a UTC day": 2_000_000,
        "fall from a run's highest equity": 2_000_000,
        "position in one market": 100,
        "positions in one event": 100,
        "positions in all markets": 200,
        "open orders at once": 0,
        "new orders within a minute": 2,
        "requests within a minute": 2,
    } == most(tmp_path)
    assert 200 == most(tmp_path, m="E", n="E")["positions in one event"]


def test_positions_are_over_time(tmp_path: Path) -> None:
    """One held from the day before counts, one that was paid out before does not; a payout ends one."""
    keep_store(
        tmp_path, 1, run(DAY_0 - DAY),
        fill("a", DAY_0 - HOUR, 4_000, qty=300), fill("b", DAY_0 - HOUR, 4_000, qty=900, ticker=N),
        r.Settlement(DAY_0 - SECOND, N, 0, 900, 0, 0), fill("c", NOON, 4_000, qty=500, side="ask"),
    )  # fmt: skip
    found = uses(tmp_path)
    assert (
        RiskUse("position in one market", "contracts", 300, LIMITS.position_qty_max)
        == (found["position in one market"])
    )
    assert 300 == found["positions in all markets"].most


def test_a_payout_ends_a_position(tmp_path: Path) -> None:
    """What comes after it is not held together with it."""
    keep_store(
        tmp_path, 1, run(DAY_0),
        fill("a", NOON, 4_000, qty=300), r.Settlement(NOON + SECOND, M, 0, 300, 0, 0),
        fill("b", NOON + 2 * SECOND, 4_000, qty=200, ticker=N),
    )  # fmt: skip
    assert 300 == most(tmp_path)["positions in all markets"]


def change(at: int, name: str, state: str) -> r.OrderChange:
    """A step of an order."""
    return r.OrderChange(at, f"kd-{name}", f"o-{name}", M, state, 0, "x")


def test_orders_are_open_until_they_are_over_and_no_longer_than_their_run(tmp_path: Path) -> None:
    """A run that was killed leaves no end: the next one tells anew of what it takes over."""
    first = [change(NOON + at, name, state) for at, name, state in (
        (0, "a", "placing"), (1, "b", "resting"), (2, "a", "executed"), (3, "c", "placing"),
        (4, "c", "resting"),
    )]  # fmt: skip
    keep_store(tmp_path, 1, run(DAY_0), *first)
    keep_store(tmp_path, 2, run(NOON + 10), change(NOON + 11, "d", "resting"))
    assert 2 == most(tmp_path)["open orders at once"]


def test_a_fall_from_the_highest_is_of_one_run(tmp_path: Path) -> None:
    """The next run begins with what it finds; within a day the fall from its beginning is another figure."""

    def point(at: int, equity: int) -> r.EquityPoint:
        return r.EquityPoint(at, 0, equity, 0, 0, 0, "trading")

    keep_store(tmp_path, 1, run(DAY_0), point(NOON, 100), point(NOON + 1, 150), point(NOON + 2, 110))
    keep_store(tmp_path, 2, run(NOON + 3), point(NOON + 4, 90), point(NOON + 5, 85))
    found = most(tmp_path)
    assert (40, 15) == (found["fall from a run's highest equity"], found["fall of equity within a UTC day"])


def test_what_waits_in_our_own_queue_is_no_request(tmp_path: Path) -> None:
    """A withdrawal asks the venue for nothing; a cancel does."""
    intents: list[Any] = [
        msgspec.structs.replace(place("a", NOON, 4_000), action=action)
        for action in ("place", "amend", "withdraw", "cancel")
    ]
    keep_store(tmp_path, 1, run(DAY_0), *intents)
    found = most(tmp_path)
    assert (1, 3) == (found["new orders within a minute"], found["requests within a minute"])


@given(st.lists(st.integers(0, 5 * MINUTE), max_size=60))
def test_the_busiest_minute_is_found(instants: list[int]) -> None:
    """As by looking at the minute before each."""
    line = sorted(instants)
    batch = [sum(at - MINUTE < one <= at for one in line) for at in line]
    assert max(batch, default=0) == _within_a_minute(line)


def test_an_account_never_reconciled_is_unknown(tmp_path: Path) -> None:
    """None, not 0."""
    keep_store(tmp_path, 1, run(DAY_0))
    found = most(tmp_path)
    assert [None] * 3 == [found[name] for name in list(found)[:3]]
    assert AccountPoint(0, 0, 0) not in read_facts(tmp_path / STORE_NAME, "sandbox", PERIOD).account
