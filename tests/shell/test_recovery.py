"""Recovery: whatever a crash leaves, each order that may still rest is known to the next life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import events as e
from daemon.core.commands import Decided, DropOrderGroup, KeepDay, ProbeOrder
from daemon.core.day_record import DayRecord
from daemon.core.own_orders import ABSENT_AFTER, READ_LAG
from daemon.core.records import frame
from daemon.core.remembering import AGAIN
from daemon.core.state import State
from daemon.core.units import DAY, MILLISECOND, MINUTE, SECOND, Ns
from daemon.shell.journal import JournalHeader, Record
from daemon.shell.recovery import SPAN_BYTES, TAIL, Recovered, recover, tail_start
from tests.core.worlds import SCHEMA, T0, TICKER, reconciled
from tests.shell.orders import amend, place

NOW: Ns = T0 + MINUTE
SPACING: Ns = 5 * MILLISECOND
_encode = msgspec.msgpack.Encoder().encode


def header(instance: str = "sandbox", epoch: int = 1, account: str = "") -> bytes:
    """A journal's first record."""
    told = JournalHeader(
        kalshid_version="0",
        instance=instance,
        epoch=epoch,
        engine=msgspec.Raw(_encode(None)),
        account=account,
    )
    return frame(_encode(told))


def write(
    folder: Path,
    batches: Sequence[Sequence[Record]],
    *,
    epoch: int = 1,
    instance: str = "sandbox",
    account: str = "",
) -> Path:
    """Write a whole journal."""
    path = folder / f"{epoch}.journal"
    path.write_bytes(header(instance, epoch, account) + b"".join(frame(_encode(batch)) for batch in batches))
    return path


def placed(number: int) -> list[Record]:
    """The decision of one order."""
    return [Decided(T0), place(number, T0)]


def recovered(number: int, order_id: str | None = None) -> e.OrderRecovered:
    """What is told of that order."""
    return e.OrderRecovered(f"kd-{number}", TICKER, "bid", 4_000, 1_000, "rest", order_id, T0, NOW)


def accepted(action: e.OrderAction = "place", remaining: int = 1_000) -> e.OrderAccepted:
    """The venue's yes."""
    return e.OrderAccepted(action, "kd-1", "v-1", 0, remaining, T0, T0)


def updated(status: e.OrderStatus) -> e.OrderUpdated:
    """The stream's word."""
    return e.OrderUpdated("v-1", "kd-1", TICKER, "bid", 4_000, status, 0, 0, None, T0, T0)


def rejected(action: e.OrderAction, code: str) -> e.OrderRejected:
    """The venue's no."""
    return e.OrderRejected(action, "kd-1", code, "", T0)


FILL = e.OrderFilled("t", "v-1", "kd-1", TICKER, "bid", 4_000, 100, 0, False, T0, T0)
DONE = e.EndedOrder("v-1", "kd-1", TICKER, "canceled", 0)
ENDS: dict[str, Record] = {
    "listed as ended": reconciled(T0, doubtful=(TICKER,), ended=(DONE,)),
    "rejected": rejected("place", "insufficient_balance"),
    "dropped": e.OrderDropped("place", "kd-1", "deadline_passed", T0),
    "canceled": accepted("cancel", 0),
    "nothing remains": accepted(remaining=0),
    "probe taken": accepted("probe", 0),
    "told canceled": updated("canceled"),
    "told executed": updated("executed"),
}
LIVES: dict[str, tuple[Record, str | None]] = {
    "nothing": (e.FeedHeard("kalshi", T0), None),
    "unknown": (e.OrderUnknown("place", "kd-1", "timeout", T0), None),
    "accepted": (accepted(), "v-1"),
    "told resting": (updated("resting"), "v-1"),
    "filled in part": (FILL, "v-1"),
    "exists already": (rejected("place", "order_already_exists"), None),
    "probe refused": (rejected("probe", "trading_is_paused"), None),
    "cancel refused": (rejected("cancel", "not_found"), None),
    "cancel dropped": (e.OrderDropped("cancel", "kd-1", "no", T0), None),
}


def test_no_journal_is_a_first_start(tmp_path: Path) -> None:
    """Nothing to recover, nothing to doubt."""
    assert Recovered() == recover(tmp_path, "sandbox", NOW)
    assert Recovered() == recover(tmp_path / "none", "sandbox", NOW)


@pytest.mark.parametrize("end", ENDS)
def test_an_order_whose_end_is_recorded_is_not_recovered(tmp_path: Path, end: str) -> None:
    """The venue's lists have what it traded."""
    write(tmp_path, [placed(1), [ENDS[end]]])
    assert Recovered() == recover(tmp_path, "sandbox", NOW)


@pytest.mark.parametrize("last", LIVES)
def test_an_order_whose_end_is_not_recorded_is_recovered(tmp_path: Path, last: str) -> None:
    """With the venue's id where one was told."""
    record, order_id = LIVES[last]
    write(tmp_path, [placed(1), [record]])
    assert (recovered(1, order_id),) == recover(tmp_path, "sandbox", NOW).orders


def test_an_order_is_recovered_at_the_worst_terms_that_may_be_in_force(tmp_path: Path) -> None:
    """Amends count from their decision on; a later probe puts off when nothing can arrive any more."""
    moved = msgspec.structs.replace(amend(1, T0 + SECOND), price=4_300, qty=1_500, decided_at=T0 + SECOND)
    probe = ProbeOrder("kd-1", TICKER, "bid", 10, 1, 2, T0 + 9 * SECOND)
    write(tmp_path, [placed(1), [Decided(T0 + SECOND), moved], [Decided(T0 + 9 * SECOND), probe]])
    (order,) = recover(tmp_path, "sandbox", NOW).orders
    assert (4_300, 1_500, T0 + 9 * SECOND) == (order.price, order.qty, order.decided_at)


def test_an_order_may_have_been_sent_as_late_as_its_time_to_live_allows(tmp_path: Path) -> None:
    """It waits in the queue: its absence proves nothing before a request of then has expired."""
    write(tmp_path, [[Decided(T0), place(1, T0 + 20 * SECOND)]])
    (order,) = recover(tmp_path, "sandbox", NOW).orders
    assert T0 + 20 * SECOND == order.decided_at


def test_a_clock_that_was_set_back_between_two_lives_keeps_no_order_unknown_for_longer(
    tmp_path: Path,
) -> None:
    """Nothing was sent later than the next life's start."""
    write(tmp_path, [placed(1)])
    (order,) = recover(tmp_path, "sandbox", T0 - MINUTE).orders
    assert T0 - MINUTE == order.decided_at


@pytest.mark.parametrize(
    ("last", "is_recovered"),
    [
        (e.FeedHeard("kalshi", T0), True),
        (e.OrderUnknown("amend", "kd-1", "timeout", T0), True),
        (updated("resting"), True),
        (accepted("amend"), False),
        (rejected("amend", "invalid_price"), False),
        (e.OrderDropped("amend", "kd-1", "deadline_passed", T0), False),
        (updated("canceled"), False),
    ],
    ids=["nothing", "unknown", "told resting", "accepted", "rejected", "dropped", "canceled"],
)
def test_an_amend_that_may_still_arrive_is_recovered_without_its_order_s_beginning(
    tmp_path: Path, last: Record, is_recovered: bool
) -> None:
    """The order was placed hours ago: the lists show it, and maybe not yet the terms that come into force."""
    write(tmp_path, [[Decided(T0), amend(1, T0)], [last]])
    expected = e.OrderRecovered("kd-1", TICKER, "bid", 4_100, 1_000, "rest", "v-1", T0, NOW)
    assert ((expected,) if is_recovered else ()) == recover(tmp_path, "sandbox", NOW).orders


def test_only_the_last_journal_of_the_same_account_is_read(tmp_path: Path) -> None:
    """Another mode's orders are another account's; an older life's were the next one's to recover."""
    write(tmp_path, [placed(1)], epoch=1)
    write(tmp_path, [placed(2)], epoch=20)
    write(tmp_path, [placed(3)], epoch=300, instance="live")
    assert (recovered(2),) == recover(tmp_path, "sandbox", NOW).orders
    assert (recovered(3),) == recover(tmp_path, "live", NOW).orders
    assert () == recover(tmp_path, "demo", NOW).orders


def test_two_crashes_in_a_row_lose_nothing(tmp_path: Path) -> None:
    """What the second life took over stands in its own journal; one that never began hides nothing."""
    write(tmp_path, [placed(1)], epoch=1)
    first = recover(tmp_path, "sandbox", NOW)
    assert (recovered(1),) == first.orders
    write(tmp_path, [[*first.events, e.FeedConnected("kalshi", NOW)], placed(2)], epoch=2)
    expected = (recovered(1), recovered(2))
    assert expected == recover(tmp_path, "sandbox", NOW).orders
    path = write(tmp_path, [[*first.events]], epoch=3)
    assert (recovered(1),) == recover(tmp_path, "sandbox", NOW).orders
    path.write_bytes(path.read_bytes()[:-1])
    assert expected == recover(tmp_path, "sandbox", NOW).orders


def test_lives_that_follow_each_other_fast_collect_no_orders(tmp_path: Path) -> None:
    """Each dies before it hears of an end, for an hour: only what may still arrive is handed on."""
    handed_on: tuple[e.OrderRecovered, ...] = ()
    for number in range(360):
        at = T0 + number * 10 * SECOND
        order = msgspec.structs.replace(place(number, at), decided_at=at)
        write(tmp_path, [[*handed_on, e.FeedHeard("kalshi", at)], [Decided(at), order]], epoch=number)
        handed_on = recover(tmp_path, "sandbox", at + SECOND).orders
        assert at == handed_on[-1].decided_at
        assert at - TAIL <= min(order.decided_at for order in handed_on)
    assert 1 + TAIL // (10 * SECOND) == len(handed_on)


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 10_000), count=st.integers(1, 8))
def test_a_journal_torn_anywhere_tells_what_its_whole_records_do(
    tmp_path_factory: pytest.TempPathFactory, cut: int, count: int
) -> None:
    """A crash tears the last record: its decision was not sent, or its answer was not acted on."""
    folder = tmp_path_factory.mktemp("torn")
    batches = [placed(number) for number in range(count)]
    path = write(folder, batches)
    whole = path.read_bytes()
    ends = [len(header())]
    for batch in batches:
        ends.append(ends[-1] + len(frame(_encode(batch))))
    size = max(len(header()), len(whole) - cut % len(whole))
    path.write_bytes(whole[:size])
    kept = sum(end <= size for end in ends[1:])
    assert tuple(recovered(number) for number in range(kept)) == recover(folder, "sandbox", NOW).orders


def test_a_group_that_a_stop_dropped_is_not_recovered(tmp_path: Path) -> None:
    """The drop is the last command of a life: its answer stands in no journal."""
    told = e.OrderGroupTold(2, "g-1", True, T0)
    write(tmp_path, [[told], [Decided(T0), DropOrderGroup(2, "g-1", T0)]])
    assert () == recover(tmp_path, "sandbox", NOW).groups


def test_the_last_order_group_of_each_shard_is_told(tmp_path: Path) -> None:
    """Made at the start, hours ago, and never mentioned since: it is found all the same; one gone is not."""
    told = [
        e.OrderGroupTold(2, "g-old", False, T0),
        e.OrderGroupTold(2, "g-2", True, T0),
        e.OrderGroupTold(0, "g-0", False, T0),
        e.OrderGroupTold(0, None, False, T0),
        e.OrderGroupTold(None, "g-9", False, T0),
    ]
    write(tmp_path, [told, *long_life(100_000)])
    found = recover(tmp_path, "sandbox", NOW)
    assert (e.OrderGroupTold(2, "g-2", True, NOW, is_recovered=True),) == found.groups == found.events


@pytest.mark.parametrize("damage", ["no header", "another format", "an unknown record"])
def test_an_unreadable_journal_is_a_doubt_until_nothing_of_it_can_arrive(tmp_path: Path, damage: str) -> None:
    """Said loudly; trading waits as long as a request of that life may be on its way, and no longer."""
    path = write(tmp_path, [placed(1)])
    match damage:
        case "no header":
            path.write_bytes(b"x" * 100)
        case "another format":
            path.write_bytes(frame(_encode({"format_version": 99})))
        case _:
            path.write_bytes(header() + frame(_encode([["OrderOfTheFuture", 1]])))
    written_at = path.stat().st_mtime_ns
    for now, until in (
        (written_at + SECOND, written_at + ABSENT_AFTER),
        (written_at + MINUTE, written_at + MINUTE),
        (written_at - MINUTE, written_at - MINUTE + ABSENT_AFTER),  # the clock was set back
    ):
        found = recover(tmp_path, "sandbox", now)
        assert found.doubt is not None
        assert ((), until) == (found.orders, found.doubt.received_at)


def test_a_doubt_that_reaches_into_the_future_outlasts_the_doubts_of_the_start() -> None:
    """The connection of the stream doubts too, and must not shorten it."""
    state = State(SCHEMA, "kd-")
    state.apply(e.AccountDoubted("unreadable", T0 + ABSENT_AFTER))
    state.apply(e.FeedConnected("kalshi", T0 + SECOND))
    for at in (T0 + 10 * SECOND, T0 + 20 * SECOND, T0 + ABSENT_AFTER + READ_LAG - 1):
        state.apply(reconciled(at))
    assert not state.account.is_reconciled
    for at in (T0 + ABSENT_AFTER + READ_LAG, T0 + ABSENT_AFTER + READ_LAG + SECOND):
        state.apply(reconciled(at))
    assert state.account.is_reconciled


def test_a_recovered_order_is_unknown_until_the_venue_tells(tmp_path: Path) -> None:
    """Its market is blocked, its worst case counted; the lists end it, or time does."""
    write(tmp_path, [placed(1), placed(2)])
    state = State(SCHEMA, "kd-")
    for event in recover(tmp_path, "sandbox", NOW).events:
        state.apply(event)
    first, second = state.orders.values()
    assert ("unknown", 1_000) == (first.state, first.exposed)
    done = e.EndedOrder("v-1", "kd-1", TICKER, "executed", 1_000)
    state.apply(reconciled(NOW, doubtful=(TICKER,), ended=(done,)))
    assert ("executed", "rejected") == (first.state, second.state)  # the second is past its signature's life
    assert {} == state.orders


# --- long journals ------------------------------------------------------------------------------


def long_life(count: int) -> list[list[Record]]:
    """Batches of one book delta each, `SPACING` apart."""
    return [
        [Decided(at), e.BookDeltaReceived(TICKER, "yes", 3_900, 100, at, T0)]
        for at in range(T0, T0 + count * SPACING, SPACING)
    ]


@pytest.mark.parametrize("count", [1, 10, 20_000, 100_000])
def test_of_a_long_journal_only_the_end_is_read(tmp_path: Path, count: int) -> None:
    """From a record's first byte on: at least `TAIL`, or all, and little more than that."""
    life = long_life(count)
    path = write(tmp_path, life)
    view, start = memoryview(path.read_bytes()), len(header())
    at = tail_start(view, start)
    offsets, end = [start], start
    for batch in life:
        end += len(frame(_encode(batch)))
        offsets.append(end)
    assert at in offsets
    read = len(offsets) - 1 - offsets.index(at)
    assert at == start or TAIL <= (read - 1) * SPACING
    needed = (TAIL // SPACING) * (len(view) // count)
    assert len(view) - at <= needed + 2 * SPAN_BYTES


def test_orders_of_the_end_are_found_and_old_ones_left_to_the_lists(tmp_path: Path) -> None:
    """An order decided in the tail is recovered; what was sent hours ago has arrived or never will."""
    count = 100_000
    life = long_life(count)
    at = T0 + count * SPACING - MINUTE
    life.insert(
        count - MINUTE // SPACING, [Decided(at), msgspec.structs.replace(place(2, at), decided_at=at)]
    )
    write(tmp_path, [placed(1), *life])
    found = recover(tmp_path, "sandbox", at + MINUTE).orders
    assert [("kd-2", at)] == [(order.client_order_id, order.decided_at) for order in found]


# --- how the day went ----------------------------------------------------------------------------

DAYS = [DayRecord(T0 // DAY, T0, equity, equity + 5, 1, ("M",), (("M", 4_000, None),)) for equity in (7, 8)]


def test_the_last_record_of_the_day_is_told_to_the_next_life(tmp_path: Path) -> None:
    """Whichever of a life's own and the one that it had taken over came last."""
    first, last = DAYS
    write(tmp_path, [[e.DayRecovered(first, T0)], [Decided(T0), KeepDay(last, T0)], [e.FeedHeard("k", T0)]])
    found = recover(tmp_path, "sandbox", NOW)
    assert e.DayRecovered(last, NOW) == found.day
    assert (e.DayRecovered(last, NOW),) == found.events
    write(tmp_path, [[found.day]], epoch=2)  # a life that ended before it decided anything
    assert e.DayRecovered(last, NOW + 1) == recover(tmp_path, "sandbox", NOW + 1).day


@pytest.mark.parametrize(
    ("instance", "account", "is_told"),
    [
        ("live", "a", True),
        ("live", "b", False),
        ("live", "", False),
        ("live", None, False),
        ("demo", "a", False),
    ],
)
def test_the_record_is_of_one_account(
    tmp_path: Path, instance: str, account: str | None, is_told: bool
) -> None:
    """Another mode's, another key's, or an account that has just begun goes on with no day."""
    write(tmp_path, [[KeepDay(DAYS[0], T0)]], instance="live", account="a")
    assert is_told == (recover(tmp_path, instance, NOW, account).day is not None)


def test_the_record_is_found_at_the_end_of_a_long_journal(tmp_path: Path) -> None:
    """Decided anew often enough to lie in what is read."""
    assert AGAIN < TAIL
    quiet: list[list[Record]] = [[e.FeedHeard("kalshi", T0 + step * SECOND)] for step in range(600)]
    quiet[::30] = [[KeepDay(DAYS[0], T0 + step * SECOND)] for step in range(0, 600, 30)]
    write(tmp_path, quiet)
    assert recover(tmp_path, "sandbox", NOW).day is not None


def test_a_journal_that_cannot_be_read_forgets_no_loss(tmp_path: Path) -> None:
    """What it said as far as it can be read, or what the life before it said."""
    write(tmp_path, [[KeepDay(DAYS[0], T0)]], epoch=1)
    bad = write(tmp_path, [], epoch=2)
    bad.write_bytes(header(epoch=2) + frame(b"\x91\xa7KeepDay"))
    found = recover(tmp_path, "sandbox", NOW)
    assert (e.DayRecovered(DAYS[0], NOW), True) == (found.day, found.doubt is not None)
    bad.write_bytes(header(epoch=2) + frame(_encode([KeepDay(DAYS[1], T0)])) + frame(b"\x91\xa7KeepDay"))
    assert e.DayRecovered(DAYS[1], NOW) == recover(tmp_path, "sandbox", NOW).day
