"""The features of the book's shape at one instant: prices, sizes, their imbalance, and what lies behind."""

# `Statistic` documents `get` once for all overrides, and a feature of one instant needs no `now`.
# ruff: noqa: ARG002, D102

from __future__ import annotations

from abc import abstractmethod
from math import atan2, pi
from typing import ClassVar

from daemon.core.book import Book, Ladder
from daemon.core.features.definition import Bounds, Family, FeatureDefinition
from daemon.core.features.inputs import MarketInputs
from daemon.core.features.statistic import AT_ONCE, Changes, Reading
from daemon.core.units import PRICE_ONE, QTY_ONE, Ns

_LEVELS = Bounds("levels", 1, 50)


def _family(name: str, unit: str, *, is_exact: bool = True, citation: str | None = None) -> Family:
    return Family(name=name, unit=unit, source="book", warm_up=AT_ONCE, is_exact=is_exact, citation=citation)


def _levels_family(name: str, unit: str, documented: tuple[int, ...], citation: str | None = None) -> Family:
    return Family(
        name=name,
        unit=unit,
        source="book",
        warm_up=AT_ONCE,
        numbers=(_LEVELS,),
        documented=tuple((levels,) for levels in documented),
        citation=citation,
    )


class TopReading(Reading):
    """A feature of the best levels alone."""

    __slots__ = ()
    changes: ClassVar[Changes] = "top"


class QuoteReading(Reading):
    """A feature of the best prices alone."""

    __slots__ = ()
    changes: ClassVar[Changes] = "quote"


class Spread(QuoteReading):
    """Best ask minus best bid; negative for the instants in which the venue shows a crossed book."""

    families = (_family("spread", "$"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        return None if top.double_mid is None else (top.ask - top.bid) / PRICE_ONE


class Mid(QuoteReading):
    """The middle of best bid and best ask."""

    families = (_family("mid", "$"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        double_mid = inputs.top.double_mid
        return None if double_mid is None else double_mid / (2 * PRICE_ONE)


class WeightedMid(TopReading):
    """The mid weighted by the opposite sizes: nearer to the ask when more is bid."""

    families = (_family("weighted_mid", "$"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        if top.double_mid is None:
            return None
        size = top.bid_size + top.ask_size
        return (top.bid * top.ask_size + top.ask * top.bid_size) / (PRICE_ONE * size)


class Microprice(TopReading):
    """The expected price after the next best level is gone, if both queues wander alike and apart.

    bid + spread x P(the ask is gone first), where P = 2/pi arctan(bid size / ask size). It needs no
    fitting, as Stoikov's general micro-price (2018) does, and unlike `weighted_mid` it is not linear in the
    imbalance.
    """

    families = (
        _family(
            "microprice",
            "$",
            is_exact=False,
            citation="Avellaneda, Reed, Stoikov 2011, Forecasting Prices from Level-I Quotes in the Presence"
            " of Hidden Liquidity, with independent queues and nothing hidden",
        ),
    )

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        if top.double_mid is None:
            return None
        up = atan2(top.bid_size, top.ask_size) * 2 / pi
        return (top.bid + (top.ask - top.bid) * up) / PRICE_ONE


class TopImbalance(TopReading):
    """(bid size - ask size) / (bid size + ask size) at the best prices."""

    families = (_family("top_imbalance", "1"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        if top.double_mid is None:
            return None
        return (top.bid_size - top.ask_size) / (top.bid_size + top.ask_size)


class BidSize(TopReading):
    """Contracts at the best bid; 0 when the side is empty, for that is known."""

    families = (_family("bid_size", "contracts"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        return top.bid_size / QTY_ONE if top.is_known else None


class AskSize(TopReading):
    """Contracts at the best ask; 0 when the side is empty, for that is known."""

    families = (_family("ask_size", "contracts"),)

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        top = inputs.top
        return top.ask_size / QTY_ONE if top.is_known else None


class DepthImbalance(Reading):
    """The imbalance of the summed sizes of the best prices of each side; None if both are empty."""

    __slots__ = ("_levels",)
    families = (_levels_family("depth_imbalance_#", "1", (5,)),)
    changes: ClassVar[Changes] = "book"

    def __init__(self, definition: FeatureDefinition) -> None:
        super().__init__(definition)
        (self._levels,) = definition.numbers

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        book = inputs.book
        if book is None:
            return None
        bids, asks = book.yes.depth(self._levels), book.no.depth(self._levels)
        return (bids - asks) / (bids + asks) if bids + asks else None


class _OneSide(Reading):
    """A feature of one side's ladder."""

    __slots__ = ()
    changes: ClassVar[Changes] = "book"

    @staticmethod
    @abstractmethod
    def _ladder(book: Book) -> Ladder:
        """Return that side's ladder."""


class _Slope(_OneSide):
    """A side's size at its best prices over the farthest one's distance from the mid."""

    __slots__ = ("_levels",)

    def __init__(self, definition: FeatureDefinition) -> None:
        super().__init__(definition)
        (self._levels,) = definition.numbers

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        book, double_mid = inputs.book, inputs.top.double_mid
        if book is None or double_mid is None:
            return None
        ladder = self._ladder(book)
        prices = ladder.prices
        farthest = prices[-min(self._levels, len(prices))]
        if ladder is book.no:
            double_mid = 2 * PRICE_ONE - double_mid
        distance = double_mid - 2 * farthest
        # Size in hundredths over twice the distance in 1e-4 dollars.
        return ladder.depth(self._levels) * (2 * PRICE_ONE // QTY_ONE) / distance if distance > 0 else None


_SLOPE_SOURCE = "after Naes, Skjeltorp 2006, Order book characteristics and the volume-volatility relation"


class BidSlope(_Slope):
    """Contracts per dollar: the size at the best bids over the farthest one's distance from the mid.

    With fewer levels than asked for, of those that there are; None without a mid, or when crossed.
    """

    families = (_levels_family("bid_slope_#", "contracts per $", (5,), _SLOPE_SOURCE),)

    @staticmethod
    def _ladder(book: Book) -> Ladder:
        return book.yes


class AskSlope(_Slope):
    """The same of the asks."""

    families = (_levels_family("ask_slope_#", "contracts per $", (5,), _SLOPE_SOURCE),)

    @staticmethod
    def _ladder(book: Book) -> Ladder:
        return book.no


class _Gap(_OneSide):
    __slots__ = ()

    def get(self, inputs: MarketInputs, now: Ns) -> float | None:
        book = inputs.book
        if book is None:
            return None
        prices = self._ladder(book).prices
        return (prices[-1] - prices[-2]) / PRICE_ONE if len(prices) > 1 else None


class BidGap(_Gap):
    """From the best bid down to the next one: how far the price falls when the best is gone.

    None with less than two levels.
    """

    families = (_family("bid_gap", "$"),)

    @staticmethod
    def _ladder(book: Book) -> Ladder:
        return book.yes


class AskGap(_Gap):
    """From the best ask up to the next one. None with less than two levels."""

    families = (_family("ask_gap", "$"),)

    @staticmethod
    def _ladder(book: Book) -> Ladder:
        return book.no
