"""Money, prices and counts as exact integers, and the wire's strings turned into them without a float.

Three scales that multiply without rounding:

    Price  1e-4 $          "0.3500" -> 3500      a YES (or NO) price of one contract, 0 .. 10_000
    Qty    1e-2 contract   "10.00"  -> 1000
    Money  1e-6 $          "0.017500" -> 17500   Price x Qty is Money, exactly
    Ns     1 ns            Unix time in UTC; durations too

Prices are not counted in ticks, because the tick varies inside one market and can change during its
life: ticks are a `PriceGrid`. Floats may inform a decision; the grid is the one door back.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec

Price: TypeAlias = int
Qty: TypeAlias = int
Money: TypeAlias = int
Ns: TypeAlias = int

Side: TypeAlias = Literal["yes", "no"]
"""An outcome side: the two ladders of a book, and a taker's outcome."""
BookSide: TypeAlias = Literal["bid", "ask"]
"""A direction on the single YES-priced book: `bid` buys YES, `ask` sells YES (which is buying NO)."""

PRICE_ONE: Price = 10_000
QTY_ONE: Qty = 100
MONEY_ONE: Money = 1_000_000
PRICE_CENT: Price = 100
MONEY_CENT: Money = 10_000

MICROSECOND: Ns = 1_000
MILLISECOND: Ns = 1_000_000
SECOND: Ns = 1_000_000_000
MINUTE: Ns = 60 * SECOND
HOUR: Ns = 60 * MINUTE
DAY: Ns = 24 * HOUR

_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z", re.ASCII)


def parse_decimal(text: str, places: int) -> int:
    """Return a decimal string as an integer count of 10**-places units.

    Raises:
        ValueError: not a plain decimal number, or finer than `places` digits can hold. Trailing
            zeros beyond `places` lose nothing and are accepted.
    """
    # The venue writes all digits, nearly always: that form is read three times faster.
    whole, _, fraction = text.partition(".")
    if fraction and len(fraction) == places:
        digits = whole.removeprefix("-") + fraction
        if len(digits) > places and digits.isdigit() and digits.isascii():
            return -int(digits) if whole[0] == "-" else int(digits)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a decimal number: {text!r}")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if fraction[places:].strip("0"):
        raise ValueError(f"more than {places} decimal places: {text!r}")
    units = int(whole + fraction[:places].ljust(places, "0"))
    return -units if sign else units


def format_decimal(units: int, places: int) -> str:
    """Return an integer count of 10**-places units as a decimal string with exactly `places` digits."""
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), 10**places)
    return f"{sign}{whole}.{fraction:0{places}d}"


def parse_price(text: str) -> Price:
    """Return a dollar string such as "0.9600" as a Price. Raises ValueError as `parse_decimal` does."""
    return parse_decimal(text, 4)


def parse_qty(text: str) -> Qty:
    """Return a count string such as "-54.00" as a Qty. Raises ValueError as `parse_decimal` does."""
    return parse_decimal(text, 2)


def parse_money(text: str) -> Money:
    """Return a dollar string such as "0.017500" as Money. Raises ValueError as `parse_decimal` does."""
    return parse_decimal(text, 6)


def parse_instant(text: str) -> Ns:
    """Return an RFC 3339 UTC instant such as "2026-06-15T15:48:42.60323Z" as Ns, exactly.

    The venue writes 0 to 6 fraction digits and leaves trailing zeros out; Kraken writes up to 9.

    Raises:
        ValueError: not such an instant, or not in UTC.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an instant in UTC: {text!r}")
    whole, fraction = match.group(1), match.group(2) or ""
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * SECOND + int(fraction.ljust(9, "0"))


def format_price(price: Price) -> str:
    """Return a Price as the wire writes it: four decimals."""
    return format_decimal(price, 4)


def format_qty(qty: Qty) -> str:
    """Return a Qty as the wire writes it: two decimals."""
    return format_decimal(qty, 2)


def format_money(money: Money) -> str:
    """Return Money as the wire writes it: six decimals."""
    return format_decimal(money, 6)


class PriceBand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One band of a market's tick table: prices start, start+step, … up to end, all in Price."""

    start: Price
    end: Price
    step: Price


class PriceGrid:
    """The prices at which a market accepts orders.

    A price is on the grid if it lies in a band and is a whole number of that band's steps from the
    band's start; where two bands meet, either side's step fits. 0 and 1 dollar are never order
    prices. Source: `price_ranges` of the market, never the label of its tick structure.
    """

    def __init__(self, bands: tuple[PriceBand, ...]) -> None:
        """Build from bands in any order.

        Raises:
            ValueError: no band, a band with a step below 1, one that is not inside 0 .. 1 $, or bands
                that overlap by more than their border.
        """
        if not bands:
            raise ValueError("a price grid needs at least one band")
        for band in bands:
            if band.step < 1 or not 0 <= band.start < band.end <= PRICE_ONE:
                raise ValueError(f"not a price band: {band}")
        self.bands = tuple(sorted(bands, key=lambda band: band.start))
        for lower, upper in pairwise(self.bands):
            if lower.end > upper.start:
                raise ValueError(f"price bands overlap: {lower} and {upper}")
        self._floors: dict[Price, Price | None] = {}
        self._ceils: dict[Price, Price | None] = {}
        """What was asked before: a market's orders keep to a few prices, and ask with every tick."""

    def contains(self, price: Price) -> bool:
        """Whether an order at this price is accepted."""
        return 0 < price < PRICE_ONE and any(
            band.start <= price <= band.end and (price - band.start) % band.step == 0 for band in self.bands
        )

    def floor(self, price: Price) -> Price | None:
        """Return the highest grid price at or below `price`; None when there is none."""
        if price not in self._floors:
            if not 0 < price < PRICE_ONE:
                return self._floor(price)
            self._floors[price] = self._floor(price)
        return self._floors[price]

    def _floor(self, price: Price) -> Price | None:
        for band in reversed(self.bands):
            top = min(price, band.end, PRICE_ONE - 1)
            if top >= band.start:
                candidate = top - (top - band.start) % band.step
                if candidate > 0:
                    return candidate
        return None

    def ceil(self, price: Price) -> Price | None:
        """Return the lowest grid price at or above `price`; None when there is none."""
        if price not in self._ceils:
            if not 0 < price < PRICE_ONE:
                return self._ceil(price)
            self._ceils[price] = self._ceil(price)
        return self._ceils[price]

    def _ceil(self, price: Price) -> Price | None:
        for band in self.bands:
            low = max(price, band.start, 1)
            candidate = low + (band.start - low) % band.step
            if candidate <= min(band.end, PRICE_ONE - 1):
                return candidate
        return None
