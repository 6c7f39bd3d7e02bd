"""Synthetic tapes: same schema, same bytes for the same seed, and books that can be rebuilt."""

from pathlib import Path

from daemon.core.book import Book
from daemon.core.events import BookDeltaReceived, BookSnapshotReceived
from daemon.core.units import MILLISECOND, MINUTE, SECOND
from daemon.exchange.tape import TapeDelta, TapeReader, TapeSnapshot, TapeTicker
from daemon.lab.synthetic import START_AT, synthetic_tape


def test_the_same_seed_gives_the_same_tape(tmp_path: Path) -> None:
    """To the byte: the manifest holds the files' digests."""
    for name in ("a", "b"):
        synthetic_tape(7, 5 * SECOND, tmp_path / name)

    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_another_seed_gives_another_tape(tmp_path: Path) -> None:
    """The seed is what the tape depends on."""
    digests = [synthetic_tape(seed, SECOND, tmp_path / str(seed)).sessions[0].sha256 for seed in (1, 2)]

    assert digests[0] != digests[1]


def test_books_rebuilt_from_the_tape_agree_with_its_summaries(tmp_path: Path) -> None:
    """Across an open and a close: no impossible delta, no gap, and top of book as summarised."""
    start_at = START_AT + 15 * MINUTE - 20 * SECOND
    manifest = synthetic_tape(3, 40 * SECOND, tmp_path / "tape", start_at)
    entry = manifest.sessions[0]
    books: dict[str, Book] = {}
    compared = 0
    for record in TapeReader((tmp_path / "tape" / entry.file).read_bytes(), entry.file):
        match record:
            case TapeSnapshot():
                book = books.setdefault(record.ticker, Book(record.ticker))
                book.apply_snapshot(
                    BookSnapshotReceived(record.ticker, record.yes, record.no, record.received_at, None)
                )
            case TapeDelta():
                books[record.ticker].apply_delta(
                    BookDeltaReceived(
                        record.ticker, record.side, record.price, record.delta, record.received_at, None
                    )
                )
            case TapeTicker():
                book = books[record.ticker]
                assert (book.bid, book.ask, book.is_synced) == (record.bid, record.ask, True)
                compared += 1

    assert compared > 50
    assert (0, 0, 0) == (entry.counts.jumps, entry.counts.backward_steps, entry.counts.repeats)


def test_every_market_of_a_tape_has_an_outcome(tmp_path: Path) -> None:
    """Markets are followed past the session's end until they are decided."""
    manifest = synthetic_tape(5, 200 * MILLISECOND, tmp_path / "tape")

    assert {"yes", "no"} >= {market.outcome for market in manifest.markets}
    assert all(market.strike is not None for market in manifest.markets)
