"""Everything that is told and is no book: trades, the lives of markets, index values, our own account.

Numbers first, then the filter: channels carry more than we watch, and a frame that we skip still counts.
"""

from __future__ import annotations

from typing import TypeAlias

from daemon.core import events as e
from daemon.core.units import Ns
from daemon.kalshi import wire
from daemon.kalshi.bodies import PRIMARY
from daemon.kalshi.book_sync import BookSync
from daemon.kalshi.channels import INDEX, LIFECYCLE, ORDER_GROUPS, TRADES
from daemon.kalshi.control import Control
from daemon.kalshi.decode import (
    LIFECYCLE_KINDS,
    decode_fill,
    decode_index,
    decode_lifecycle,
    decode_order,
    decode_order_group,
    decode_trade,
    is_for_listing,
)
from daemon.kalshi.errors import BadFrame
from daemon.kalshi.refusals import Refusals

PrivateFrame: TypeAlias = wire.FillFrame | wire.UserOrderFrame
NewsFrame: TypeAlias = (
    wire.TradeFrame
    | wire.LifecycleFrame
    | wire.EventLifecycleFrame
    | wire.EventFeeUpdateFrame
    | wire.IndexValueFrame
    | wire.OrderGroupFrame
    | PrivateFrame
)


class News:
    """What becomes of the frames that are no books' and no answers."""

    def __init__(self, feed: e.Feed, books: BookSync, control: Control, refusals: Refusals) -> None:
        self._feed = feed
        self._books = books
        self._control = control
        self._refusals = refusals
        self._new_series: dict[str, None] = {}

    @property
    def has_new_series(self) -> bool:
        """Whether `take_new_series` would return any."""
        return bool(self._new_series)

    def take_new_series(self) -> tuple[str, ...]:
        """Return, once, the series in which a market or an event was made, anywhere on the exchange."""
        series = tuple(self._new_series)
        self._new_series.clear()
        return series

    def apply(self, message: NewsFrame, now: Ns) -> list[e.Event]:
        """Return what a frame tells."""
        match message:
            case wire.FillFrame() | wire.UserOrderFrame():
                return self._private(message, now)
            case wire.TradeFrame():
                events, is_news = self._number(TRADES, message, now)
                return events + self._trade(message, now) if is_news else events
            case wire.OrderGroupFrame():
                events, is_news = self._number(ORDER_GROUPS, message, now)
                told = decode_order_group(message, now) if is_news else None
                return events if told is None else [*events, told]
            case wire.IndexValueFrame():
                events, is_news = self._number(INDEX, message, now)
                return events + self._index(message, now) if is_news else events
            case _:
                events, is_news = self._number(LIFECYCLE, message, now)
                return events + self._life(message, now) if is_news else events

    def _number(
        self,
        channel: str,
        message: wire.TradeFrame
        | wire.LifecycleFrame
        | wire.EventLifecycleFrame
        | wire.EventFeeUpdateFrame
        | wire.IndexValueFrame
        | wire.OrderGroupFrame,
        now: Ns,
    ) -> tuple[list[e.Event], bool]:
        events = self._control.adopt(channel, message.sid, now)
        losses, is_news = self._control.number(message.sid, message.seq, now)
        return events + losses, is_news

    def _trade(self, message: wire.TradeFrame, now: Ns) -> list[e.Event]:
        if message.msg.market_ticker not in self._books.watched:
            return []
        try:
            return [decode_trade(message, now)]
        except BadFrame as error:
            refused = self._refusals.refuse(error.shape, now)
            return [*refused, e.TradesLost(self._feed, f"refused {error}", now)]

    def _life(
        self, message: wire.LifecycleFrame | wire.EventLifecycleFrame | wire.EventFeeUpdateFrame, now: Ns
    ) -> list[e.Event]:
        match message:
            case wire.EventFeeUpdateFrame():
                self._control.is_listing_doubted = True
                return []
            case wire.EventLifecycleFrame():
                self._new_series[series_of(message.msg.event_ticker)] = None
                return []
        msg = message.msg
        if msg.event_type == "created":
            self._new_series[series_of(msg.market_ticker)] = None
        is_ours = msg.market_ticker in self._books.watched
        if not is_ours and msg.event_type in LIFECYCLE_KINDS:
            return []
        if is_for_listing(msg):
            self._control.is_listing_doubted = True
        try:
            event = decode_lifecycle(message, now)
        except BadFrame as error:
            self._control.is_listing_doubted |= is_ours
            return self._refusals.refuse(error.shape, now, is_ours=is_ours)
        return [] if event is None else [event]

    def _index(self, message: wire.IndexValueFrame, now: Ns) -> list[e.Event]:
        try:
            return [decode_index(message, now)]
        except BadFrame as error:
            return self._refusals.refuse(error.shape, now)

    def _private(self, message: PrivateFrame, now: Ns) -> list[e.Event]:
        # What happens in another subaccount is in none of the lists that we hold our books against.
        try:
            if isinstance(message, wire.FillFrame):
                return [decode_fill(message, now)] if message.msg.subaccount in PRIMARY else []
            return [decode_order(message, now)] if message.msg.subaccount_number in PRIMARY else []
        except BadFrame as error:
            refused = self._refusals.refuse(error.shape, now)
            return [*refused, e.AccountDoubted(f"refused {error}", now)]


def series_of(ticker: str) -> str:
    """Return the series of a market or an event: what stands before the first dash of its ticker."""
    return ticker.partition("-")[0]
