"""What a session's counts say of its rows and of its sequence numbers."""

from daemon.core.events import BookLost
from daemon.exchange.tape import TapeCounts, TapeDecided, TapeDelta, TapeSnapshot, TapeSpot, TapeTold
from daemon.exchange.tape_counter import TapeCounter


def test_counter_counts_jumps_steps_back_and_repeats_by_connection() -> None:
    """Sequence numbers of two connections don't mix, and snapshots count in their stream."""
    counter = TapeCounter()
    for conn, seq in ((0, 1), (1, 9), (0, 2), (1, 10), (0, 5), (0, 5), (0, 3), (1, 11)):
        counter.add(TapeDelta("M", "yes", 100, 1, seq, conn, 0, 0))
    counter.add(TapeSnapshot("M", (), (), 12, 1, 0, None))
    counter.add(TapeSpot("elsewhere", "BTC-USD", 85_000_120_000, "77", 6, None))
    counter.add(TapeTold(BookLost("M", "a gap", 6)))
    counter.add(TapeDecided(7))

    assert (
        TapeCounts(snapshots=1, deltas=8, spots=1, told=1, decided=1, jumps=1, backward_steps=1, repeats=1)
        == counter.counts()
    )
