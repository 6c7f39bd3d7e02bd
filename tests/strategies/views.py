"""Views for tests of strategies: one market, its quotes, what is known of it and held in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from daemon.core.book import Book
from daemon.core.sizing import edge
from daemon.core.strategy import MarketView, Peer, Wanted
from daemon.core.units import DAY, MONEY_ONE, PRICE_ONE, QTY_ONE, Ns, PriceGrid
from tests.core.worlds import TICKER, snapshot, spec

EQUITY = 10_000 * MONEY_ONE
NOON: Ns = 1_790_352_000_000_000_000
"""Friday 25 September 2026, 12:00 in New York."""


class Around:
    """Peers that a test gives."""

    def __init__(self, event: Sequence[Peer] = (), series: Sequence[Peer] = ()) -> None:
        self._event, self._series = tuple(event), tuple(series)

    def of_event(self) -> tuple[Peer, ...]:
        """Return what the test gave for the event."""
        return self._event

    def of_series(self) -> tuple[Peer, ...]:
        """Return what the test gave for the series."""
        return self._series


def book_of(bid: int | None, ask: int | None, sizes: tuple[int, int]) -> Book:
    """A book of one level a side; None for a side without a quote."""
    book = Book(TICKER)
    yes = () if bid is None else ((bid, sizes[0]),)
    no = () if ask is None else ((PRICE_ONE - ask, sizes[1]),)
    book.apply_snapshot(snapshot(NOON, yes=yes, no=no))
    return book


def view(
    bid: int | None = 4_000,
    ask: int | None = 4_200,
    *,
    features: Mapping[str, float | None] | None = None,
    score: float | None = None,
    sizes: tuple[int, int] = (40_000, 30_000),
    now: Ns = NOON,
    closes_in: Ns = 2 * DAY,
    volume_day: int | None = 1_000 * QTY_ONE,
    **changes: object,
) -> MarketView:
    """A market at noon in New York that closes in two days and trades 1,000 contracts a day."""
    market = spec(close_at=now + closes_in, volume_day=volume_day)
    shown = MarketView(
        now=now,
        spec=market,
        grid=PriceGrid(market.bands),
        book=book_of(bid, ask, sizes),
        features={} if features is None else features,
        score=score,
        missing=(),
        position=0,
        equity=EQUITY,
    )
    return msgspec.structs.replace(shown, **changes)


def peer(
    ticker: str,
    bid: int | None = 4_000,
    ask: int | None = 4_200,
    *,
    position: int = 0,
    score: float | None = None,
    **changes: object,
) -> Peer:
    """Another market, with 100 contracts on each side, that closes with the one of `view`."""
    market = spec(ticker, **{"close_at": NOON + 2 * DAY, **changes})
    sizes = [None if quote is None else 100 * QTY_ONE for quote in (bid, ask)]
    return Peer(market, bid, ask, sizes[0], sizes[1], position, score)


def told(wanted: Wanted) -> list[str]:
    """What is wanted, in words: a line for each target."""
    return [
        f"{target.style} {target.side} {target.qty / QTY_ONE:.2f} at {target.price / 100:.1f}c"
        for target in wanted.targets
    ]


def assert_sane(shown: MarketView, wanted: Wanted) -> None:
    """On the grid, of a positive size, taking what is offered or resting inside, with a reason."""
    bid, ask = shown.book.bid, shown.book.ask
    assert wanted.reason
    assert len({target.side for target in wanted.targets}) == len(wanted.targets)
    for target in wanted.targets:
        assert bid is not None
        assert ask is not None
        assert target.reason
        assert shown.grid.contains(target.price)
        assert target.qty > 0
        edge(0.5, target.price, target.side, shown.spec.fees, is_taker=True)
        if target.style == "rest":
            assert target.price < ask if target.side == "bid" else target.price > bid
        else:
            size = shown.book.ask_size if target.side == "bid" else shown.book.bid_size
            assert size is not None
            assert target.qty <= size
            assert target.price == (ask if target.side == "bid" else bid)
