"""What to ask for: spans of markets cut and gathered so that each request is one that the venue takes whole.

Pure. Times are whole seconds (Unix); a span is asked for with both its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from daemon.kalshi.rest.calls import TICKERS_MAX
from daemon.kalshi.rest.quotes import CANDLES_MAX
from daemon.lab.ingest.coverage import Span

EACH_MAX = 5_000
"""Candles of one market in a request."""
TOGETHER_MAX = CANDLES_MAX * 9 // 10
"""Candles of all markets in a request, by our count: an answer that the venue cut short tells nobody so."""


class Piece(msgspec.Struct, frozen=True):
    """A span of one market. `life` is the span in which the market can have candles at all."""

    ticker: str
    span: Span
    life: Span


class Group(msgspec.Struct, frozen=True):
    """Pieces of different markets that one request brings: it asks all of them for the whole `span`."""

    pieces: tuple[Piece, ...]

    @property
    def span(self) -> Span:
        """From the first piece's beginning to the last one's end."""
        return min(one.span[0] for one in self.pieces), max(one.span[1] for one in self.pieces)

    def candles(self, period_s: int) -> int:
        """Return how many candles the answer can have at most."""
        since, until = self.span
        lives = ((max(since, one.life[0]), min(until, one.life[1])) for one in self.pieces)
        return sum(max(0, end - start) // period_s + 2 for start, end in lives)

    def halves(self) -> tuple[Group, Group]:
        """Return the group as two; it has more than one piece."""
        middle = len(self.pieces) // 2
        return Group(self.pieces[:middle]), Group(self.pieces[middle:])


def cut(span: Span, period_s: int) -> Iterator[Span]:
    """Yield a span in parts of at most `EACH_MAX` candles."""
    since, until = span
    for start in range(since, until, EACH_MAX * period_s):
        yield start, min(until, start + EACH_MAX * period_s)


def gather(pieces: Iterable[Piece], period_s: int) -> list[Group]:
    """Return pieces in as few requests as they fit in, by time; no request names a market twice."""
    groups: list[Group] = []
    for piece in sorted(pieces, key=lambda one: (one.span, one.ticker)):
        if groups:
            grown = Group((*groups[-1].pieces, piece))
            is_new = all(one.ticker != piece.ticker for one in groups[-1].pieces)
            if is_new and len(grown.pieces) <= TICKERS_MAX and grown.candles(period_s) <= TOGETHER_MAX:
                groups[-1] = grown
                continue
        groups.append(Group((piece,)))
    return groups
