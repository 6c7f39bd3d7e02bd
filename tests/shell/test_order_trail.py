"""An order's records: found by either id, each fact once, over all sessions that were told of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.commands import AmendOrder, Decided, PlaceOrder
from daemon.core.records import frame
from daemon.core.units import SECOND
from daemon.shell.journal import JournalHeader, Record
from daemon.shell.order_trail import RECORDS_MAX, OrderNotFound, at_of, find_order
from tests.core.worlds import NOW, TICKER
from tests.shell.golden_session import session_in

PLACE = PlaceOrder(
    "kd-a-1", TICKER, "bid", 4_000, 1_000, "good_till_canceled", True, 0, "fair_value", "because", NOW,
    NOW + SECOND, None,
)  # fmt: skip
ACCEPTED = e.OrderAccepted("place", "kd-a-1", "venue-1", 0, 1_000, NOW + 3, NOW + 2, None, NOW + 1)
FILL = e.OrderFilled("t1", "venue-1", "kd-a-1", TICKER, "bid", 4_000, 400, 0, False, NOW + 4, NOW + 4)
ENDED = e.MarketDetermined(TICKER, "yes", 10_000, NOW + 10 * SECOND)
OTHER = msgspec.structs.replace(PLACE, client_order_id="kd-a-2")


def journal(folder: Path, epoch: int, records: list[Record]) -> Path:
    """A journal of these records."""
    header = JournalHeader(kalshid_version="1", instance="i", epoch=epoch, engine=msgspec.Raw(b"\x80"))
    path = folder / f"{epoch}.journal"
    path.write_bytes(frame(msgspec.msgpack.encode(header)) + frame(msgspec.msgpack.encode(records)))
    return path


def test_either_id_finds_it(tmp_path: Path) -> None:
    """Ours and the venue's: the same records, oldest first, from the intent to the fill."""
    golden = session_in(tmp_path).path
    ours = find_order([golden], "kd-mwqmtptw-1")
    assert ours.order_id is not None
    assert ours == find_order([golden], ours.order_id)
    kinds = [type(one).__name__ for one in ours.records]
    assert ("PlaceOrder", "OrderFilled") == (kinds[0], kinds[-1])
    instants = [at_of(one) for one in ours.records]
    assert sorted(instants) == instants
    assert 1 == kinds.count("OrderFilled")


def test_an_unknown_order_is_refused_with_what_is_near(tmp_path: Path) -> None:
    """A slip of the hand is met with the right id."""
    with pytest.raises(OrderNotFound, match="in 1 journals, 48 ids; near to it: kd-mwqmtptw"):
        find_order([session_in(tmp_path).path], "kd-mwqmtptw-11")
    with pytest.raises(OrderNotFound, match=r"in 0 journals, 0 ids$"):
        find_order([], "anything")


def test_a_fill_that_is_told_twice_is_one(tmp_path: Path) -> None:
    """By the stream, and again by the lists; others' facts are none of it."""
    copy = e.FillsRead(NOW, NOW + 5, (msgspec.structs.replace(FILL, client_order_id=None),))
    trail = find_order([journal(tmp_path, 1, [PLACE, OTHER, ACCEPTED, FILL, copy])], "kd-a-1")
    assert (PLACE, ACCEPTED, FILL) == trail.records
    assert (FILL,) == trail.fills
    assert trail.determined is None


def test_of_the_queue_only_what_changes_is_kept(tmp_path: Path) -> None:
    """Its own place in each reading; one that says the same again is left out, and so are other orders'."""

    def read(at: int, *ahead: tuple[str, int]) -> e.QueuePlacesRead:
        return e.QueuePlacesRead(
            NOW + at, NOW + at, tuple(e.QueuePlace(one, TICKER, 4_000, qty) for one, qty in ahead)
        )

    mine, other = ("venue-1", 700), ("venue-2", 5)
    records: list[Record] = [read(0, mine), PLACE, ACCEPTED, read(5, other, mine), read(6, other)]
    records += [read(7, mine), read(8, ("venue-1", 0))]
    trail = find_order([journal(tmp_path, 1, records)], "kd-a-1")
    assert (PLACE, ACCEPTED, read(5, mine), read(8, ("venue-1", 0))) == trail.records


def test_what_later_sessions_were_told_belongs_to_it(tmp_path: Path) -> None:
    """A fill that came only by the lists of the next life, and how the market ended."""
    first = journal(tmp_path, 1, [PLACE, ACCEPTED, Decided(NOW)])
    late = e.FillsRead(NOW, NOW + 5, (msgspec.structs.replace(FILL, client_order_id=None),))
    later = [journal(tmp_path, 2, [late]), journal(tmp_path, 3, [ENDED])]
    trail = find_order([*reversed(later), first], "venue-1")
    assert first == trail.session.path
    assert ENDED == trail.determined
    assert ["t1"] == [fill.trade_id for fill in trail.fills]


def test_the_records_of_a_long_life_are_bounded(tmp_path: Path) -> None:
    """The first and the last ones are kept, and how many are not is said."""
    keep = AmendOrder(
        "kd-a-1", "venue-1", TICKER, "bid", 4_000, 1_000, 0, "fair_value", "rests on", NOW, NOW, None, "keep"
    )  # fmt: skip
    trail = find_order([journal(tmp_path, 1, [PLACE, ACCEPTED, *[keep] * 2 * RECORDS_MAX, FILL])], "kd-a-1")
    assert RECORDS_MAX == len(trail.records)
    assert 2 * RECORDS_MAX + 3 == len(trail.records) + trail.left_out
    assert (PLACE, FILL) == (trail.records[0], trail.records[-1])


def test_a_journal_that_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    """Before and after the one that placed the order."""
    for epoch in (1, 3):
        (tmp_path / f"{epoch}.journal").write_bytes(b"nonsense")
    own = journal(tmp_path, 2, [PLACE, ACCEPTED])
    told: list[str] = []
    trail = find_order([tmp_path / "3.journal", own, tmp_path / "1.journal"], "venue-1", told.append)
    assert (PLACE, ACCEPTED) == trail.records
    assert 2 == len(told)
