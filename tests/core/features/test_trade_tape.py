"""The trade tape by hand; against its batch twin it is compared in test_statistics."""

from __future__ import annotations

from daemon.core.events import TradePrinted
from daemon.core.features.trade_tape import TradeTape
from daemon.core.units import SECOND, Ns


def trade(name: str, qty: int, happened_at: Ns | None = None) -> TradePrinted:
    """A taker bought YES."""
    return TradePrinted("T", name, 5_000, qty, "yes", 0, happened_at)


def observing(since_s: int = 0) -> TradeTape:
    """A tape that observes."""
    tape = TradeTape()
    tape.begin(since_s * SECOND)
    return tape


def test_a_window_is_warm_after_a_minute_and_not_before() -> None:
    """Unknown is None, not the sum of what we happened to see."""
    tape = observing()
    tape.on_trade(10 * SECOND, trade("a", 500))
    assert tape.flow(60 * SECOND - 1) is None
    assert tape.flow(60 * SECOND) == 500
    assert tape.flow(70 * SECOND) == 0


def test_a_trade_that_comes_twice_counts_once() -> None:
    """A stream that is subscribed again tells its last trades again."""
    tape = observing()
    tape.on_trade(10 * SECOND, trade("a", 500))
    tape.on_trade(11 * SECOND, trade("a", 500))
    assert tape.flow(60 * SECOND) == 500


def test_a_hole_is_unknown_and_a_whole_backfill_mends_it() -> None:
    """Trades that were seen already count once, those that were missed count where they happened."""
    tape = observing()
    tape.on_trade(50 * SECOND, trade("a", 100))
    tape.end(60 * SECOND)
    assert tape.flow(61 * SECOND) is None
    tape.begin(70 * SECOND)
    assert tape.flow(71 * SECOND) is None
    told = [trade("b", 20, 65 * SECOND), trade("a", 100, 50 * SECOND)]
    tape.fill(45 * SECOND, 70 * SECOND, told, 72 * SECOND)
    assert tape.flow(72 * SECOND) == 120
    assert tape.flow(110 * SECOND) == 20
    assert tape.flow(125 * SECOND) == 0


def test_a_backfill_that_does_not_reach_the_hole_leaves_it_unknown() -> None:
    """Neither one that begins too late nor one that ends too early."""
    for since, until in ((61, 70), (45, 69)):
        tape = observing()
        tape.end(60 * SECOND)
        tape.begin(70 * SECOND)
        tape.fill(since * SECOND, until * SECOND, [], 72 * SECOND)
        assert tape.flow(72 * SECOND) is None


def test_a_gap_is_over_from_itself_on_once_a_trade_proves_that_the_stream_flows() -> None:
    """The proof comes late and counts for the time since the gap."""
    tape = observing()
    tape.on_trade(99 * SECOND, trade("a", 7))
    tape.interrupt(100 * SECOND, 95 * SECOND)
    tape.begin(105 * SECOND)  # a book's snapshot proves nothing of the trades
    assert tape.flow(170 * SECOND) is None
    tape.resume()
    assert tape.flow(170 * SECOND) == 0
    assert tape.flow(159 * SECOND) is None


def test_a_stretch_ends_where_the_stream_was_surely_whole() -> None:
    """A connection may be dead for a while before anyone notices: that while is not vouched for."""
    tape = observing()
    tape.on_trade(50 * SECOND, trade("a", 7))
    tape.end(50 * SECOND)  # noticed at 65 s
    tape.begin(66 * SECOND)
    tape.fill(65 * SECOND, 66 * SECOND, [], 67 * SECOND)
    assert tape.flow(67 * SECOND) is None
    tape.fill(50 * SECOND, 66 * SECOND, [trade("b", 1, 60 * SECOND)], 67 * SECOND)
    assert tape.flow(67 * SECOND) == 8


def test_a_gap_is_mended_by_a_backfill_up_to_it() -> None:
    """What REST tells of before the gap joins what the stream told since."""
    tape = observing()
    tape.on_trade(95 * SECOND, trade("a", 7))
    tape.interrupt(100 * SECOND, 95 * SECOND)
    tape.fill(90 * SECOND, 100 * SECOND, [trade("b", 5, 99 * SECOND)], 101 * SECOND)
    assert tape.flow(102 * SECOND) is None
    tape.on_trade(103 * SECOND, trade("c", 1))
    assert tape.flow(103 * SECOND) == 13


def test_a_gap_before_anything_was_observed_changes_nothing() -> None:
    """There is nothing that it could end."""
    tape = TradeTape()
    tape.interrupt(5 * SECOND, 4 * SECOND)
    tape.begin(6 * SECOND)
    assert tape.flow(66 * SECOND) == 0


def test_a_clock_that_is_ahead_counts_a_trade_now() -> None:
    """No trade lies in the future, and none is lost for the skew between two clocks."""
    tape = observing()
    tape.fill(0, 60 * SECOND, [trade("a", 9, 61 * SECOND)], 60 * SECOND)
    assert tape.flow(60 * SECOND) == 9


def test_memory_is_bounded_by_the_window() -> None:
    """Ids, entries and stretches of long ago are forgotten."""
    tape = TradeTape()
    for second in range(0, 3_600, 2):
        tape.begin(second * SECOND)
        tape.on_trade(second * SECOND, trade(str(second), 1))
        tape.end((second + 1) * SECOND)
    kept = (len(tape._entries), len(tape._seen), len(tape._stretches))
    assert max(kept) <= 61
