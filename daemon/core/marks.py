"""The last quotes of what is held: by them a position is marked while nobody can say what its book is.

A book that is lost says nothing. What it said last is a better word on what a position is worth than what
the position had cost: else a loss would vanish for as long as a snapshot takes to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from daemon.core.ledger import Position
from daemon.core.market import Market
from daemon.core.units import Money, Price

Quote: TypeAlias = tuple[Price | None, Price | None]
"""The best bid and the best ask; None for an empty side."""


class Marks:
    """By market, the last quote of a book that was synced. Only of markets in which something is held."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}

    def worth(self, position: Position, market: Market | None, ticker: str) -> Money:
        """Return what the open part of a position is taken to be worth: its result, else as it is marked."""
        if market is not None and market.settlement_price is not None:
            return position.value(market.settlement_price)
        return position.marked(*self.quote(market, ticker))

    def quote(self, market: Market | None, ticker: str) -> Quote:
        """Return a market's best bid and ask now, or the last ones; (None, None) where none were known."""
        if market is not None and market.book.is_synced:
            told = (market.book.bid, market.book.ask)
            if told != (None, None):
                return told
        return self._quotes.get(ticker, (None, None))

    def look(self, positions: Mapping[str, Position], markets: Mapping[str, Market]) -> None:
        """Remember the quotes of what is held, and forget those of what is held no more."""
        held = [ticker for ticker, position in positions.items() if position.qty]
        found = {ticker: self.quote(markets.get(ticker), ticker) for ticker in held}
        self._quotes = {ticker: quote for ticker, quote in found.items() if quote != (None, None)}

    def recover(self, quotes: Iterable[tuple[str, Price | None, Price | None]]) -> None:
        """Take the last quotes of the life before."""
        self._quotes.update({ticker: (bid, ask) for ticker, bid, ask in quotes})

    def told(self) -> tuple[tuple[str, Price | None, Price | None], ...]:
        """Return what is remembered, for the next life."""
        return tuple((ticker, bid, ask) for ticker, (bid, ask) in self._quotes.items())
