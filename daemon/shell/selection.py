"""Which listed markets are watched: the filter of `[markets]`, and what a new listing changes. Pure.

Entering needs the whole filter; leaving needs `FAILURES_MAX` failed listings in a row, so that a spread
that flickers opens and closes nothing. Times are no flicker: a market that closes too soon, or by now too
late, is left at once. Quotes (volume, spread, depth) are asked of open markets only, and never of those
that the configuration names one by one. A market that a listing lacks is not judged by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from daemon.config_tables import Markets
from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import DAY, MINUTE, PRICE_CENT, PRICE_ONE, QTY_ONE, SECOND, Ns, Price, Qty
from daemon.kalshi.bodies import Listing

FAILURES_MAX = 4
"""Failed listings in a row after which a market is left."""
FAILURES_APART: Ns = 4 * SECOND
"""Failures closer together count once. A listing may come from a cache and be 15 s old (sheet 1.6): however
often the venue is asked, four failures are more than one bad moment seen four times."""
OVER_FOR: Ns = 10 * MINUTE
"""A market stays watched this long after its close, for its result and settlement to come in: an hourly one
is settled after 150 s (sheet 7.7), and what the stream tells of markets that we left is not read."""
SETTLES_IN: Ns = MINUTE
"""A market that was watched before it opened has this long to get its quotes: it opens with an empty book."""


def _with_volume(listing: Listing, now: Ns) -> MarketSpec:
    """Return a listed market with its day's volume, once it is open for a day.

    Before that there is no day's volume, and it would change with every look. Two digits of it are enough.
    """
    spec, volume = listing.spec, listing.volume_24h
    if now - spec.open_at < DAY:
        return spec
    step = 10 ** max(0, len(str(volume)) - 2)
    return msgspec.structs.replace(spec, volume_day=volume - volume % step)


class Filter(msgspec.Struct, frozen=True):
    """What a market must be like to be watched. `closes_in_*` and `roll_ahead` are durations."""

    volume_24h_min: Qty = 0
    spread_max: Price = PRICE_ONE
    depth_min: Qty = 0
    closes_in_min: Ns = 0
    closes_in_max: Ns | None = None
    tick_structures: tuple[str, ...] = ()
    """Price structures by the venue's names; empty allows all."""
    roll_ahead: Ns = 2 * MINUTE
    """A market is watched this long before it opens."""
    tickers: frozenset[str] = frozenset()
    """Markets named one by one: their quotes are not asked."""


def filter_of(markets: Markets) -> Filter:
    """Return the filter that the configuration asks for."""
    return Filter(
        volume_24h_min=markets.volume_24h_min * QTY_ONE,
        spread_max=markets.spread_max_cents * PRICE_CENT,
        depth_min=markets.depth_min * QTY_ONE,
        closes_in_min=markets.closes_in_min_s * SECOND,
        closes_in_max=markets.closes_in_max_s * SECOND,
        tick_structures=tuple(markets.tick_structures),
        roll_ahead=markets.roll_ahead_s * SECOND,
        tickers=frozenset(markets.tickers),
    )


class Left(msgspec.Struct, frozen=True):
    """A market that is no longer watched, and why."""

    ticker: str
    reason: str


class Changes(msgspec.Struct, frozen=True):
    """What one look changed: what is to be listed, in the order of closing, and what is to be dropped."""

    entered: tuple[MarketSpec, ...] = ()
    changed: tuple[MarketSpec, ...] = ()
    left: tuple[Left, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.entered or self.changed or self.left)


def refuse_time(spec: MarketSpec, wanted: Filter, now: Ns) -> str | None:
    """Return why a market's times keep it from being entered; None when they don't."""
    if spec.close_at <= now:
        return "closed"
    if spec.open_at > now + wanted.roll_ahead:
        return "opens later"
    return refuse_close(spec, wanted, now)


def refuse_close(spec: MarketSpec, wanted: Filter, now: Ns) -> str | None:
    """Return why a market's close is outside what is watched; None when it isn't, or lies in the past."""
    if now < spec.close_at < now + wanted.closes_in_min:
        return "closes too soon"
    if wanted.closes_in_max is not None and spec.close_at > now + wanted.closes_in_max:
        return "closes too late"
    return None


def refuse_quotes(listing: Listing, wanted: Filter, now: Ns) -> str | None:
    """Return which of its quotes keeps an open market out; None when none does, or when it isn't open."""
    spec = listing.spec
    if spec.status != "active" or not spec.open_at <= now < spec.close_at or spec.ticker in wanted.tickers:
        return None
    if listing.volume_24h < wanted.volume_24h_min:
        return "volume"
    # An absent side stands at the end of the scale, so that 100 cents allow an empty book.
    bid = 0 if listing.bid is None else listing.bid
    ask = PRICE_ONE if listing.ask is None else listing.ask
    if ask - bid > wanted.spread_max:
        return "spread"
    if min(listing.bid_qty, listing.ask_qty) < wanted.depth_min:
        return "depth"
    return None


def refuse(listing: Listing, wanted: Filter, now: Ns) -> str | None:
    """Return the first reason why a listed market is not entered; None when it is."""
    refusal = refuse_time(listing.spec, wanted, now)
    if refusal is None and wanted.tick_structures and listing.tick_structure not in wanted.tick_structures:
        refusal = "tick structure"
    return refusal or refuse_quotes(listing, wanted, now)


class Selection:
    """The markets that are watched, as last listed. Told listings and the time; returns what changes."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self._watched: dict[str, MarketSpec] = {}
        self._failures: dict[str, tuple[int, Ns]] = {}
        """Failed listings in a row, and when the last one was counted."""

    @property
    def watched(self) -> Mapping[str, MarketSpec]:
        """The watched markets by ticker, read-only."""
        return MappingProxyType(self._watched)

    def apply(self, listings: Iterable[Listing], now: Ns) -> Changes:
        """Take in listed markets, each at most once per look; those that are missing stay as they were."""
        entered: list[MarketSpec] = []
        changed: list[MarketSpec] = []
        left: list[Left] = []
        for listing in listings:
            spec = _with_volume(listing, now)
            known = self._watched.get(spec.ticker)
            if known is None:
                if refuse(listing, self._wanted, now) is None:
                    self._watched[spec.ticker] = spec
                    entered.append(spec)
                continue
            reason = self._why_leave(listing, now)
            if reason is not None:
                left.append(self._leave(spec.ticker, reason))
            elif known != spec:
                self._watched[spec.ticker] = spec
                changed.append(spec)
        return Changes(_by_close(entered), _by_close(changed), tuple(left))

    def expire(self, now: Ns) -> Changes:
        """Leave the markets whose time has come, whatever the venue lists."""
        left = []
        for ticker, spec in list(self._watched.items()):
            if now > spec.close_at + OVER_FOR:
                left.append(self._leave(ticker, "over"))
            elif (reason := refuse_close(spec, self._wanted, now)) is not None:
                left.append(self._leave(ticker, reason))
        return Changes(left=tuple(left))

    def reprice(self, fees_by_ticker: Mapping[str, Fees | None], now: Ns) -> Changes:
        """Put new fees in force; None are fees that we can't price, and such a market is left."""
        changed, left = [], []
        for ticker, fees in fees_by_ticker.items():
            spec = self._watched.get(ticker)
            if spec is None or spec.close_at <= now:
                continue
            if fees is None:
                left.append(self._leave(ticker, "fees can't be priced"))
            elif fees != spec.fees:
                self._watched[ticker] = msgspec.structs.replace(spec, fees=fees)
                changed.append(self._watched[ticker])
        return Changes(changed=_by_close(changed), left=tuple(left))

    def refuse(self, ticker: str, reason: str) -> Changes:
        """Leave a market that can no longer be read or priced; nothing changes when it isn't watched."""
        return Changes(left=(self._leave(ticker, reason),)) if ticker in self._watched else Changes()

    def _why_leave(self, listing: Listing, now: Ns) -> str | None:
        wanted, spec = self._wanted, listing.spec
        reason = refuse_close(spec, wanted, now)
        if reason is not None:
            return reason
        if wanted.tick_structures and listing.tick_structure not in wanted.tick_structures:
            reason = "tick structure"
        elif now >= spec.open_at + SETTLES_IN:
            reason = refuse_quotes(listing, wanted, now)
        if reason is None:
            self._failures.pop(spec.ticker, None)
            return None
        failures, counted_at = self._failures.get(spec.ticker, (0, now - FAILURES_APART))
        if now >= counted_at + FAILURES_APART:
            failures += 1
            self._failures[spec.ticker] = (failures, now)
        return reason if failures >= FAILURES_MAX else None

    def _leave(self, ticker: str, reason: str) -> Left:
        del self._watched[ticker]
        self._failures.pop(ticker, None)
        return Left(ticker, reason)


def _by_close(specs: list[MarketSpec]) -> tuple[MarketSpec, ...]:
    return tuple(sorted(specs, key=lambda spec: (spec.close_at, spec.ticker)))
