"""Recorded markets as tapes for the twins and as events for the features. Nothing of them is copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daemon.core.units import MONEY_ONE, parse_price, parse_qty
from tests.core.feature_twins.batch import Tape
from tests.core.feature_twins.ladders import Ints

RECORDED = Path(__file__).parents[3] / "../shared/data/kalshi_btc15m_2026-05"


def _table(name: str) -> pd.DataFrame:
    path = RECORDED / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"no recorded books beside the checkout: {path}")
    return pd.read_parquet(path)


@cache
def _tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return _table("orderbook_deltas"), _table("orderbook_snapshots"), _table("ticker")


def recorded_tapes(day: str) -> Iterator[tuple[str, Tape]]:
    """Yield each stream's books of a day with a name, a tape from every snapshot to the next one."""
    deltas, snapshots, tickers = _tables()
    keys = ["session", "conn", "ticker"]
    recorded = deltas[deltas["session"].str.contains(day.replace("-", ""))]
    for key, of_market in recorded.groupby(keys, sort=True, observed=True):
        mine, prints = (
            table[
                np.logical_and.reduce([table[name] == value for name, value in zip(keys, key, strict=True)])
            ]
            for table in (snapshots, tickers)
        )
        ends = [*mine["recv_ns"].to_numpy()[1:], np.iinfo(np.int64).max]
        for (_, snapshot), end in zip(mine.iterrows(), ends, strict=True):
            within = of_market[(of_market["recv_ns"] >= snapshot["recv_ns"]) & (of_market["recv_ns"] < end)]
            told = prints[(prints["recv_ns"] > snapshot["recv_ns"]) & (prints["recv_ns"] < end)]
            if len(within):
                yield f"{key[2]} of {key[0]} at {snapshot['recv_ns']}", _tape(snapshot, within, told)


def _levels(text: str | None) -> dict[int, int]:
    return {parse_price(price): parse_qty(size) for price, size in json.loads(text or "null") or []}


def _tape(snapshot: pd.Series, deltas: pd.DataFrame, told: pd.DataFrame) -> Tape:
    # The recording has no trades: what the volume grew by between two summaries stands for one, and a last
    # price in the upper half of the spread for a taker of YES.
    grown = np.rint(told["volume"].diff().fillna(0).to_numpy() * 100).astype(np.int64)
    last = np.rint(told["last"].to_numpy() * 10_000).astype(np.int64)
    is_yes = told["last"].to_numpy() * 2 >= (told["yes_bid"] + told["yes_ask"]).to_numpy()
    has_traded = grown > 0
    count, trades = len(deltas), int(has_traded.sum())
    is_delta_yes = (deltas["side"] == "yes").to_numpy()
    changes = deltas["delta_e2"].to_numpy().astype(np.int64)
    at = np.concatenate(
        [
            [snapshot["recv_ns"]],
            np.maximum.accumulate(deltas["recv_ns"].to_numpy()),
            np.maximum.accumulate(told["recv_ns"].to_numpy()[has_traded]) if trades else [],
        ]
    ).astype(np.int64)
    none = np.zeros(trades, dtype=np.int64)
    signed = np.where(is_yes, grown, -grown)[has_traded]
    order = np.argsort(at, kind="stable")
    columns = [
        np.concatenate([[0], deltas["price_e4"].to_numpy(), last[has_traded]]),
        np.concatenate([[0], np.where(is_delta_yes, changes, 0), none]),
        np.concatenate([[0], np.where(is_delta_yes, 0, changes), none]),
        np.concatenate([[0], np.zeros(count, dtype=np.int64), signed]),
    ]
    price, delta_yes, delta_no, traded = (column.astype(np.int64)[order] for column in columns)
    return Tape(
        at[order], _levels(snapshot["yes"]), _levels(snapshot["no"]), price, delta_yes, delta_no, traded
    )


def recorded_prices(day: str) -> tuple[Ints, Ints]:
    """Return the instants at which a day's prices of the underlying came, and the prices in Money."""
    ticks = _table("spot_ticks")
    ticks = ticks[pd.to_datetime(ticks["recv_ns"]).dt.strftime("%Y-%m-%d") == day]
    at = np.maximum.accumulate(ticks["recv_ns"].to_numpy()).astype(np.int64)
    return at, np.rint(ticks["price"].to_numpy() * MONEY_ONE).astype(np.int64)
