"""The trade tape by hand; against its batch twin it is compared in test_catalogue."""

from __future__ import annotations

from daemon.core.events import TradePrinted
from daemon.core.features.trade_tape import TradeTape
from daemon.core.units import MINUTE, SECOND, Ns


def trade(name: str, qty: int, happened_at: Ns | None = None) -> TradePrinted:
    """A taker bought YES."""
    return TradePrinted("T", name, 5_000, qty, "yes", 0, happened_at)


def read() -> TradeTape:
    """A tape of which a minute's flow is read."""
    tape = TradeTape()
    tape.window(tape.signed, MINUTE)
    return tape


def observing(since_s: int = 0) -> TradeTape:
    """One that observes."""
    tape = read()
    tape.begin(since_s * SECOND)
    return tape


def flow(tape: TradeTape, now: Ns) -> int | None:
    """The signed contracts of the last minute."""
    return tape.signed.window(MINUTE).get(now)


def test_a_window_is_warm_after_a_minute_and_not_before() -> None:
    """Unknown is None, not the sum of what we happened to see."""
    tape = observing()
    tape.on_trade(10 * SECOND, trade("a", 500))
    assert flow(tape, 60 * SECOND - 1) is None
    assert flow(tape, 60 * SECOND) == 500
    assert flow(tape, 70 * SECOND) == 0


def test_a_trade_that_comes_twice_counts_once() -> None:
    """A stream that is subscribed again tells its last trades again."""
    tape = observing()
    tape.on_trade(10 * SECOND, trade("a", 500))
    tape.on_trade(11 * SECOND, trade("a", 500))
    assert flow(tape, 60 * SECOND) == 500


def test_a_hole_is_unknown_and_a_whole_backfill_mends_it() -> None:
    """Trades that were seen already count once, those that were missed count where they happened."""
    tape = observing()
    tape.on_trade(50 * SECOND, trade("a", 100))
    tape.end(60 * SECOND)
    assert flow(tape, 61 * SECOND) is None
    tape.begin(70 * SECOND)
    assert flow(tape, 71 * SECOND) is None
    told = [trade("b", 20, 65 * SECOND), trade("a", 100, 50 * SECOND)]
    tape.fill(45 * SECOND, 70 * SECOND, told, 72 * SECOND)
    assert flow(tape, 72 * SECOND) == 120
    assert flow(tape, 110 * SECOND) == 20
    assert flow(tape, 125 * SECOND) == 0


def test_a_backfill_that_does_not_reach_the_hole_leaves_it_unknown() -> None:
    """Neither one that begins too late nor one that ends too early."""
    for since, until in ((61, 70), (45, 69)):
        tape = observing()
        tape.end(60 * SECOND)
        tape.begin(70 * SECOND)
        tape.fill(since * SECOND, until * SECOND, [], 72 * SECOND)
        assert flow(tape, 72 * SECOND) is None


def test_a_gap_is_over_from_itself_on_once_a_trade_proves_that_the_stream_flows() -> None:
    """The proof comes late and counts for the time since the gap."""
    tape = observing()
    tape.on_trade(99 * SECOND, trade("a", 7))
    tape.interrupt(100 * SECOND, 95 * SECOND)
    tape.begin(105 * SECOND)  # a book's snapshot proves nothing of the trades
    assert flow(tape, 158 * SECOND) is None
    tape.resume()
    assert flow(tape, 159 * SECOND) is None
    assert flow(tape, 170 * SECOND) == 0


def test_a_stretch_ends_where_the_stream_was_surely_whole() -> None:
    """A connection may be dead for a while before anyone notices: that while is not vouched for."""
    tape = observing()
    tape.on_trade(50 * SECOND, trade("a", 7))
    tape.end(50 * SECOND)  # noticed at 65 s
    tape.begin(66 * SECOND)
    tape.fill(65 * SECOND, 66 * SECOND, [], 67 * SECOND)
    assert flow(tape, 67 * SECOND) is None
    tape.fill(50 * SECOND, 66 * SECOND, [trade("b", 1, 60 * SECOND)], 67 * SECOND)
    assert flow(tape, 67 * SECOND) == 8


def test_a_gap_is_mended_by_a_backfill_up_to_it() -> None:
    """What REST tells of before the gap joins what the stream told since."""
    tape = observing()
    tape.on_trade(95 * SECOND, trade("a", 7))
    tape.interrupt(100 * SECOND, 95 * SECOND)
    tape.fill(90 * SECOND, 100 * SECOND, [trade("b", 5, 99 * SECOND)], 101 * SECOND)
    assert flow(tape, 102 * SECOND) is None
    tape.on_trade(103 * SECOND, trade("c", 1))
    assert flow(tape, 103 * SECOND) == 13


def test_a_gap_before_anything_was_observed_changes_nothing() -> None:
    """There is nothing that it could end."""
    tape = read()
    tape.interrupt(5 * SECOND, 4 * SECOND)
    tape.begin(6 * SECOND)
    assert flow(tape, 66 * SECOND) == 0


def test_a_clock_that_is_ahead_counts_a_trade_now() -> None:
    """No trade lies in the future, and none is lost for the skew between two clocks."""
    tape = observing()
    tape.fill(0, 60 * SECOND, [trade("a", 9, 61 * SECOND)], 60 * SECOND)
    assert flow(tape, 60 * SECOND) == 9


def test_memory_is_bounded_by_the_window() -> None:
    """Ids, entries and stretches of long ago are forgotten."""
    tape = read()
    for second in range(0, 3_600, 2):
        tape.begin(second * SECOND)
        tape.on_trade(second * SECOND, trade(str(second), 1))
        tape.end((second + 1) * SECOND)
    kept = (len(tape.signed._logs[0]), len(tape._seen), len(tape._stretches))
    assert max(kept) <= 130


def test_what_nobody_reads_is_not_kept() -> None:
    """A market without features of trades remembers none."""
    tape = TradeTape()
    tape.begin(0)
    tape.on_trade(SECOND, trade("a", 500))
    assert (len(tape._seen), tape.signed.is_read, tape.periods) == (0, False, {})


def test_a_long_hole_does_not_count_twice_what_was_streamed_before_it() -> None:
    """REST repeats the last trades before a drop, though that was longer ago than ids are kept otherwise."""
    tape = TradeTape()
    window = tape.window(tape.volume, 15 * MINUTE)
    tape.begin(0)
    tape.on_trade(10 * MINUTE, trade("a", 500))
    tape.end(10 * MINUTE)
    tape.begin(20 * MINUTE)
    tape.on_trade(20 * MINUTE + 1, trade("b", 30))
    told = [trade("a", 500, 10 * MINUTE - 1), trade("c", 7, 15 * MINUTE)]
    tape.fill(9 * MINUTE, 20 * MINUTE, told, 21 * MINUTE)
    assert window.get(21 * MINUTE) == 537


def test_a_backfill_over_what_was_streamed_long_ago_counts_it_once() -> None:
    """A hole that could not be filled is read again with the next one, and all that was streamed between."""
    tape = TradeTape()
    window = tape.window(tape.volume, 5 * MINUTE)
    tape.begin(0)
    streamed = [trade(str(second), 1, second * SECOND) for second in range(1, 601)]
    for second, one in enumerate(streamed, start=1):
        tape.on_trade(second * SECOND, one)
    assert window.get(600 * SECOND) == 300
    tape.end(600 * SECOND)
    tape.begin(610 * SECOND)
    missed = trade("missed", 1, 605 * SECOND)
    tape.fill(-600 * SECOND, 611 * SECOND, [*streamed, missed], 612 * SECOND)
    assert window.get(612 * SECOND) == 288 + 1


def test_volumes_by_whole_periods_of_the_clock() -> None:
    """A trade belongs to the period of its instant; what goes on isn't looked at; late ones are added."""
    tape = TradeTape()
    volumes = tape.volumes(10 * SECOND, 3)
    tape.begin(5 * SECOND)
    for second, qty in ((9, 1), (10, 2), (19, 4), (20, 8), (41, 16)):
        tape.on_trade(second * SECOND, trade(str(second), qty))
    assert not volumes.is_whole(39 * SECOND)
    assert volumes.is_whole(41 * SECOND)
    assert volumes.last(41 * SECOND) == [6, 8, 0]
    tape.fill(0, 41 * SECOND, [trade("late", 32, 35 * SECOND)], 42 * SECOND)
    assert volumes.last(42 * SECOND) == [6, 8, 32]
