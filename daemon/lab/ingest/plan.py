"""What to ask for: what is missing of markets, cut and gathered into requests that the venue takes whole.

Pure. Times are whole seconds (Unix); a span is asked for with both its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from daemon.core.markets import MarketSpec
from daemon.core.units import SECOND
from daemon.kalshi.bodies import HistoricalCutoff, MarketOutcome
from daemon.kalshi.rest.calls import TICKERS_MAX
from daemon.kalshi.rest.quotes import CANDLES_MAX
from daemon.lab.ingest.coverage import Coverage, Span

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


class Trades(msgspec.Struct, frozen=True):
    """A span of one market's trades, all of one tier."""

    ticker: str
    span: Span
    is_historical: bool


class Candles(msgspec.Struct, frozen=True):
    """Spans of candles that one request brings; of the historical tier it is of one market."""

    period_min: int
    group: Group
    is_historical: bool


class Window(msgspec.Struct, frozen=True):
    """The seconds of interest; `until` is no later than what can still change."""

    since: int
    until: int

    def within(self, spec: MarketSpec, after_close_s: int) -> Span | None:
        """Return a market's seconds from its opening to so long after its close; None if there are none."""
        since = max(spec.open_at // SECOND, self.since)
        until = min(-(-spec.close_at // SECOND) + after_close_s, self.until)
        return (since, until) if since < until else None


def missing_candles(
    markets: Iterable[MarketOutcome],
    coverage: Coverage,
    window: Window,
    period_min: int,
    cutoff: HistoricalCutoff,
) -> Iterator[Candles]:
    """Yield the requests that bring what was not read of markets' candles of one period."""
    period_s = period_min * 60
    live: list[Piece] = []
    for market in markets:
        # The last candle of a market ends up to a period after its close.
        life, ticker = window.within(market.spec, period_s), market.spec.ticker
        if life is None:
            continue
        is_old = market.settled_at is not None and market.settled_at < cutoff.markets_settled_at
        for missing in coverage.missing(candle_stream(period_min, ticker), life):
            pieces = [Piece(ticker, span, life) for span in cut(missing, period_s)]
            if is_old:
                yield from (Candles(period_min, Group((one,)), is_historical=True) for one in pieces)
            else:
                live += pieces
    yield from (Candles(period_min, group, is_historical=False) for group in gather(live, period_s))


def missing_trades(
    markets: Iterable[MarketOutcome], coverage: Coverage, window: Window, cutoff: HistoricalCutoff
) -> Iterator[Trades]:
    """Yield the spans, of one tier each, that were not read of markets' trades."""
    border = cutoff.trades_created_at // SECOND
    for market in markets:
        life, ticker = window.within(market.spec, 1), market.spec.ticker
        if life is None:
            continue
        for since, until in coverage.missing(trade_stream(ticker), life):
            if since < border:
                yield Trades(ticker, (since, min(until, border)), is_historical=True)
            if until > border:
                yield Trades(ticker, (max(since, border), until), is_historical=False)


def candle_stream(period_min: int, ticker: str) -> str:
    """Return what a market's candles of one period are noted under."""
    return f"candles/{period_min}/{ticker}"


def trade_stream(ticker: str) -> str:
    """Return what a market's trades are noted under."""
    return f"trades/{ticker}"


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
