"""Rows of a daily model: one for each market and day, made of the store by the code that runs live.

A row is decided at `DECIDED_AT` of a UTC day. Its features are the daemon's own (`FeatureSet`), fed with the
daemon's own bars (`bars_of`) of the days before: nothing of the day itself, and nothing that was known later,
reaches them. Its quotes are those of the last hourly candle that had ended by then.

The label is the change of the mid in dollars until the same time of the next day: what a YES contract earned
before costs, and a NO contract lost. It is unknown where either mid is, and for a market that closes within.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec
import numpy as np
import pyarrow as pa

from daemon.core.events import TradePrinted
from daemon.core.features import CATALOGUE
from daemon.core.features.feature_set import FeatureSet
from daemon.core.markets import Fees, FeeType, MarketSpec
from daemon.core.reference import Spot
from daemon.core.scorer import FeatureSchema
from daemon.core.units import DAY, HOUR, PRICE_ONE, Ns, Price
from daemon.exchange.tick_tables import LINEAR_CENT
from daemon.lab.daily_table import DECIDED_AT
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted, fit_rows
from daemon.lab.folds import Instants
from daemon.lab.store import Reader
from daemon.shell.daily import SETTLED, bars_of

TABLES: Final = ("candles", "markets", "settlements", "trades")
"""What of the store the rows are made of."""
QUOTES_OLD_MAX: Final[Ns] = DAY
"""A candle that ended longer ago than this says nothing of a market any more."""

FeatureChoice: TypeAlias = Literal["daily", "older"]
FEATURES: dict[FeatureChoice, tuple[str, ...]] = {
    "daily": tuple(
        name
        for name, one in CATALOGUE.items()
        if one.source == "daily" and name != "TS" and not name.startswith("VOLUME_")
    ),
    "older": tuple(f"{family}_{day}" for family in ("RET", "VOLUME") for day in range(1, 11)),
}
"""The pipeline's fifty, and the older one's without its time stamp: no day to come lies within its range."""
_FEE_TYPES: Final = frozenset(get_args(FeeType))


class NoDailyRows(ValueError):
    """The store has not what the rows are made of; says what is missing."""


@dataclass(frozen=True)
class DailyMarket:
    """One market as the store has it. `payout` is what a YES contract was paid, at `settled_at`, if known."""

    spec: MarketSpec
    settled_at: Ns | None
    payout: Price | None


@dataclass(frozen=True)
class DailyRows:
    """Rows by day and then by ticker: arrays of shape (rows,), NaN for unknown; `x` is (rows, features).

    `bid` and `ask` are in dollars, 0 and 1 where that side was empty; `mid` is NaN there. `label` is in
    dollars, and known at `label_at`; `market` is the place of the row's market in `markets`.
    """

    names: tuple[str, ...]
    markets: tuple[DailyMarket, ...]
    market: Instants
    at: Instants
    x: Floats
    bid: Floats
    ask: Floats
    mid: Floats
    label: Floats
    inputs: dict[str, str]
    """Sha256 of every file that they were made of."""

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.at)

    @property
    def label_at(self) -> Instants:
        """When each label was known, or would have been."""
        return self.at + DAY

    def events(self) -> list[str]:
        """Return each row's event."""
        return [self.markets[place].spec.event_ticker for place in self.market]

    def fit_rows(self) -> tuple[FitRows, Instants]:
        """Return the rows whose label is known, and their numbers here.

        The markets of one event on one day move together: they weigh as one row.

        Raises:
            NoDailyRows: no label is known.
        """
        known = np.flatnonzero(~np.isnan(self.label))
        if not known.size:
            raise NoDailyRows("no row has a label: a market must be quoted on two days, one after the other")
        event = np.asarray(self.events())[known]
        _, place, counts = np.unique(
            np.char.add(event, self.at[known].astype(str)), return_inverse=True, return_counts=True
        )
        try:
            rows = fit_rows(
                self.names, self.x[known], self.label[known], self.at[known], self.label_at[known], event,
                weight=1 / counts[place],
            )  # fmt: skip
        except NotFitted as error:
            raise NoDailyRows(str(error)) from error
        return rows, known

    def sha256(self) -> str:
        """Return the digest of all that a model is made of: names, features, labels, instants, markets."""
        digest = hashlib.sha256(msgspec.json.encode((self.names, [one.spec.ticker for one in self.markets])))
        for column in (self.market, self.at, self.x, self.bid, self.ask, self.label):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def read_daily_rows(
    store: Reader, series: Sequence[str], names: tuple[str, ...], inputs: dict[str, str] | None = None
) -> DailyRows:
    """Return the rows of all markets of some series.

    Args:
        store: open; one that is cut `as_of` an instant gives the rows that could be made then.
        series: their tickers.
        names: of the features, each of source "daily".
        inputs: sha256 of the store's files, for the record.

    Raises:
        NoDailyRows: a series without markets, trades or hourly candles; a fee type that is not known.
        StoreError: the store can't be read.
    """
    schema = FeatureSchema(names)
    markets = _markets(store, series)
    trades, quotes = _trades(store, series), _quotes(store, series)
    if missing := [what for what, found in (("trades", trades), ("hourly candles", quotes)) if not found]:
        raise NoDailyRows(
            f"{', '.join(series)}: the store has no {' and no '.join(missing)}; `kalshid lab ingest kalshi"
            " --what markets,trades,candles` reads them"
        )
    columns: list[tuple[int, int, list[float | None], Price, Price]] = []
    for place, market in enumerate(markets):
        ticker = market.spec.ticker
        columns += _rows_of(market, place, schema, trades.get(ticker, []), quotes.get(ticker, _NO_QUOTES))
    columns.sort(key=lambda row: row[:2])
    if not columns:
        hour = DECIDED_AT // HOUR
        raise NoDailyRows(f"{', '.join(series)}: no market was quoted at {hour}:00 UTC of any day")
    at = np.array([row[0] for row in columns], dtype=np.int64)
    market_place = np.array([row[1] for row in columns], dtype=np.int64)
    bid, ask = (np.array([row[side] for row in columns], dtype=np.int64) for side in (3, 4))
    double_mid = np.where((bid > 0) & (ask < PRICE_ONE), bid + ask, -1)
    close_at = np.array([markets[place].spec.close_at for place in market_place], dtype=np.int64)
    return DailyRows(
        names=names,
        markets=tuple(markets),
        market=market_place,
        at=at,
        x=np.array([row[2] for row in columns], dtype=np.float64),
        bid=bid / PRICE_ONE,
        ask=ask / PRICE_ONE,
        mid=np.where(double_mid < 0, np.nan, double_mid / (2 * PRICE_ONE)),
        label=_labels(at, market_place, double_mid, close_at),
        inputs=inputs or {},
    )


def _labels(at: Instants, market: Instants, double_mid: Instants, close_at: Instants) -> Floats:
    """The change to the market's row of a day later, in dollars; NaN where there is none."""
    row_of = {(int(one), int(when)): row for row, (one, when) in enumerate(zip(market, at, strict=True))}
    later = np.array(
        [row_of.get((int(one), int(when) + DAY), -1) for one, when in zip(market, at, strict=True)],
        dtype=np.int64,
    )
    is_known = (later >= 0) & (double_mid >= 0) & (double_mid[later] >= 0) & (at + DAY < close_at)
    return np.where(is_known, (double_mid[later] - double_mid) / (2 * PRICE_ONE), np.nan)


@dataclass(frozen=True)
class _Quotes:
    """A market's hourly candles: when they ended, and the best prices then; 0 and 1 $ for an empty side."""

    ended_at: list[Ns]
    bid: list[Price]
    ask: list[Price]


_NO_QUOTES: Final = _Quotes([], [], [])


def _rows_of(
    market: DailyMarket, place: int, schema: FeatureSchema, trades: Sequence[TradePrinted], quotes: _Quotes
) -> Iterable[tuple[int, int, list[float | None], Price, Price]]:
    spec = market.spec
    first, end = spec.open_at // DAY, -(-spec.close_at // DAY)
    features = FeatureSet(schema, spec, Spot(()))
    # Bars are told day by day, as they are when the daemon runs: what is to come is not there yet.
    bars = {bar.day: bar for bar in bars_of(spec.ticker, range(first, end), trades, 0)}
    for day in range(first, end + 1):
        at = day * DAY + DECIDED_AT
        if day - 1 in bars and day * DAY + SETTLED <= at:
            features.on_daily_bar(bars[day - 1])
        newest = bisect_left(quotes.ended_at, at + 1) - 1
        if not spec.open_at < at < spec.close_at or newest < 0:
            continue
        if quotes.ended_at[newest] <= at - QUOTES_OLD_MAX:
            continue
        yield at, place, features.row(at), quotes.bid[newest], quotes.ask[newest]


def _markets(store: Reader, series: Sequence[str]) -> list[DailyMarket]:
    found = store.rows(
        "SELECT m.*, s.settlement_price, s.settled_at AS paid_at FROM markets m LEFT JOIN settlements s"
        " USING (ticker) WHERE list_contains(?, m.series_ticker) ORDER BY m.ticker",
        [list(series)],
    ).to_pylist()
    if absent := sorted(set(series) - {one["series_ticker"] for one in found}):
        raise NoDailyRows(f"the store has no market of {', '.join(absent)}: `kalshid lab ingest kalshi`")
    markets = []
    for one in found:
        if one["fee_type"] not in _FEE_TYPES or one["fee_multiplier_ppm"] is None:
            known = ", ".join(sorted(_FEE_TYPES))
            raise NoDailyRows(f"{one['ticker']}: fee type {one['fee_type']!r}, where {known} are priced")
        spec = MarketSpec(
            ticker=one["ticker"], event_ticker=one["event_ticker"], series_ticker=one["series_ticker"],
            title=one["title"] or "", status="active", open_at=one["open_at"], close_at=one["close_at"],
            strike=one["strike"], strike_type=one["strike_type"],
            # The store has no tick tables; nothing that is made of days reads them.
            bands=LINEAR_CENT,
            fees=Fees(one["fee_type"], one["fee_multiplier_ppm"]), exchange_index=one["exchange_index"] or 0,
        )  # fmt: skip
        markets.append(DailyMarket(spec, one["paid_at"], one["settlement_price"]))
    return markets


def _trades(store: Reader, series: Sequence[str]) -> dict[str, list[TradePrinted]]:
    found = store.rows(
        "SELECT ticker, trade_id, price, qty, taker_side, traded_at FROM trades"
        " WHERE list_contains(?, series_ticker) ORDER BY ticker, traded_at, trade_id",
        [list(series)],
    )
    by_ticker: dict[str, list[TradePrinted]] = {}
    for ticker, trade_id, price, qty, side, at in _tuples(found):
        by_ticker.setdefault(ticker, []).append(TradePrinted(ticker, trade_id, price, qty, side, at, at))
    return by_ticker


def _quotes(store: Reader, series: Sequence[str]) -> dict[str, _Quotes]:
    found = store.rows(
        "SELECT ticker, ended_at, bid_close, ask_close FROM candles"
        " WHERE list_contains(?, series_ticker) AND period_min = 60 ORDER BY ticker, ended_at",
        [list(series)],
    )
    by_ticker: dict[str, _Quotes] = {}
    for ticker, ended_at, bid, ask in _tuples(found):
        quotes = by_ticker.setdefault(ticker, _Quotes([], [], []))
        quotes.ended_at.append(ended_at)
        quotes.bid.append(bid or 0)
        quotes.ask.append(PRICE_ONE if ask is None else ask)
    return by_ticker


def _tuples(found: pa.Table) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in found.columns), strict=True)
