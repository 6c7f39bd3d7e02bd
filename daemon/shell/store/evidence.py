"""What days of paper came to, from the store: the go-live report.

The runs that count are those of one paper mode with the same strategies, parameters, model and limits; of the
fills, those of our own orders. A UTC day counts on which that traded for six hours and filled something.

Profit and loss is by the fills: each is held to what its market paid, or to the last mid that is known there,
its fee taken off. So neither deposits nor a person's own trades are in it. A position whose worth nobody told
is taken at the worst.

The worse queue rule: a resting order's fill counts only if a second later the mid lies beyond its price, so
that all of the level was gone: whoever stood last in the queue was filled too. Shadow fills by such a rule
already (`daemon/exchange/shadow`), so there both figures are one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from daemon.core.units import DAY, HOUR, PRICE_ONE, SECOND, Money, Ns, Price, Qty
from daemon.shell.golive import GoLiveReport, StrategyRun
from daemon.shell.store.projection import EQUITY_EVERY, MARKS
from daemon.shell.store.reading import StoreUnreadable, reading

DAY_TRADING_MIN: Ns = 6 * HOUR
"""A day counts from so much trading on."""
DAY_RULE: Final = f"a UTC day counts with {DAY_TRADING_MIN // HOUR} hours of trading and a fill of ours"
_Mode: TypeAlias = Literal["demo", "shadow"]
_Marks: TypeAlias = dict[tuple[str, str, Ns], Price]
_OURS = """
SELECT at, trade_id, order_id, ticker, side, price, qty, fee, fee_predicted, is_taker FROM fills
WHERE epoch IN (SELECT value FROM json_each(?1)) AND at >= ?2 AND (
  order_id IN (SELECT order_id FROM order_changes WHERE order_id IS NOT NULL)
  OR client_order_id IN (SELECT client_order_id FROM order_changes))
ORDER BY at, trade_id, order_id
"""
_MIDS = """
SELECT ticker, mid FROM (
  SELECT epoch, at, ticker, mid FROM fills UNION ALL
  SELECT marks.epoch, marks.at, ticker, marks.mid FROM marks JOIN fills USING (trade_id, order_id))
WHERE mid IS NOT NULL AND epoch IN (SELECT epoch FROM runs WHERE mode = ?) ORDER BY at
"""
_PAYOUTS = """
SELECT ticker, price FROM settlements WHERE epoch IN (SELECT epoch FROM runs WHERE mode = ?) ORDER BY at
"""
"""Of one mode: the sandbox plays markets of the same names, and they end otherwise."""


class NoEvidence(Exception):
    """There is nothing to report on; the message says what is missing."""


class Wanted(msgspec.Struct, frozen=True):
    """What the report is to vouch for."""

    strategies: tuple[StrategyRun, ...]
    model_sha256: str
    limits_sha256: str


class _Run(msgspec.Struct, frozen=True):
    """One paper run, by what it ran."""

    epoch: int
    mode: _Mode
    what: Wanted


class _Fill(msgspec.Struct, frozen=True, gc=False):
    """One fill of ours. `sign` is 1 for what buys YES, -1 for what sells it."""

    day: int
    trade_id: str
    order_id: str
    ticker: str
    sign: int
    price: Price
    qty: Qty
    fee: Money
    fee_predicted: Money | None
    is_taker: bool


def gather(path: Path, wanted: Wanted, *, days: int, now: Ns, version: str) -> GoLiveReport:
    """Return what paper came to in the last UTC days that are over, and today so far.

    Args:
        path: the store's file.
        wanted: what ran.
        days: how many days that are over are looked at.
        now: our clock.
        version: ours, for the report.

    Raises:
        NoEvidence: there is no store, or nothing in it that counts.
    """
    try:
        with reading(path) as store:
            return _gather(store, wanted, days, now, version)
    except StoreUnreadable as error:
        raise NoEvidence(str(error)) from error


def _gather(store: sqlite3.Connection, wanted: Wanted, days: int, now: Ns, version: str) -> GoLiveReport:
    runs = _runs(store, wanted)
    mode = runs[-1].mode
    today = now // DAY
    asked = _epochs(run for run in runs if run.mode == mode), (today - days) * DAY
    fills = _fills(store, asked)
    counted = _days(store, asked, fills)
    if not counted:
        raise NoEvidence(f"no day of {mode} counts among the last {days}, {len(fills)} fills: {DAY_RULE}")
    marks = _marks(store, asked)
    worth = _worth(store, mode)
    outs = {f"{after // SECOND}s": _markout(fills, marks, after) for after in MARKS}
    predicted = [fill.fee_predicted for fill in fills if fill.fee_predicted is not None]
    pnl = _pnl(fills, worth)
    worse = [fill for fill in fills if fill.is_taker or _is_through(fill, marks)]
    found = dict(
        store.execute(
            "SELECT kind, count(*) FROM findings WHERE epoch IN (SELECT value FROM json_each(?))"
            " AND at >= ? GROUP BY kind ORDER BY kind",
            asked,
        )
    )
    (halting,) = store.execute(
        "SELECT count(*) FROM findings WHERE epoch IN (SELECT value FROM json_each(?)) AND at >= ?"
        " AND rule = 'halt'",
        asked,
    ).fetchone()
    return GoLiveReport(
        written_at=now,
        kalshid_version=version,
        mode=mode,
        strategies=wanted.strategies,
        model_sha256=wanted.model_sha256,
        limits_sha256=wanted.limits_sha256,
        from_day=_day_text(counted[0]),
        to_day=_day_text(counted[-1]),
        days=len(counted),
        fills=len(fills),
        findings=found,
        findings_halting=halting,
        fees_paid=sum(fill.fee for fill in fills),
        fees_predicted=sum(predicted) if len(predicted) == len(fills) else None,
        markouts={name: out for name, (out, _) in outs.items()},
        markout_fills={name: count for name, (_, count) in outs.items()},
        pnl=pnl,
        pnl_worse_queue=pnl if mode == "shadow" else _pnl(worse, worth),
        days_missing=tuple(_day_text(day) for day in range(counted[0], counted[-1]) if day not in counted),
    )


def _runs(store: sqlite3.Connection, wanted: Wanted) -> list[_Run]:
    """Return the paper runs that count, oldest first; none whose model or configuration was changed."""
    rows = store.execute(
        "SELECT epoch, mode, strategies, model_sha256, limits_hash FROM runs"
        " WHERE mode IN ('demo', 'shadow')"
        " AND epoch NOT IN (SELECT epoch FROM model_swaps WHERE slot != 'challenger')"
        " AND epoch NOT IN (SELECT epoch FROM config_reloads) ORDER BY epoch"
    ).fetchall()
    runs = [
        _Run(epoch, mode, Wanted(msgspec.json.decode(names, type=tuple[StrategyRun, ...]), model, limits))
        for epoch, mode, names, model, limits in rows
    ]
    counting = [run for run in runs if run.what == wanted]
    if runs and not counting:
        newest = runs[-1].what
        differing = [
            name for name in Wanted.__struct_fields__ if getattr(newest, name) != getattr(wanted, name)
        ]
        raise NoEvidence(
            f"none of {len(runs)} runs of demo or shadow had these strategies, model and limits; the newest"
            f" differs in {', '.join(name.removesuffix('_sha256') for name in differing)}"
        )
    if not counting:
        raise NoEvidence('no run of mode = "demo" or "shadow" is in the store')
    return counting


def _epochs(runs: Iterable[_Run]) -> str:
    return msgspec.json.encode([run.epoch for run in runs]).decode()


def _fills(store: sqlite3.Connection, asked: tuple[str, Ns]) -> list[_Fill]:
    return [
        _Fill(
            at // DAY,
            trade_id,
            order_id,
            ticker,
            1 if side == "bid" else -1,
            price,
            qty,
            fee,
            told,
            bool(took),
        )
        for at, trade_id, order_id, ticker, side, price, qty, fee, told, took in store.execute(_OURS, asked)
    ]


def _days(store: sqlite3.Connection, asked: tuple[str, Ns], fills: list[_Fill]) -> list[int]:
    """Return the days that count, by their number since 1970."""
    filled = {fill.day for fill in fills}
    points = store.execute(
        "SELECT at / ?3, count(*) FROM equity WHERE epoch IN (SELECT value FROM json_each(?1)) AND at >= ?2"
        " AND phase = 'trading' GROUP BY 1 ORDER BY 1",
        (*asked, DAY),
    )
    return [day for day, count in points if count * EQUITY_EVERY >= DAY_TRADING_MIN and day in filled]


def _marks(store: sqlite3.Connection, asked: tuple[str, Ns]) -> _Marks:
    rows = store.execute(
        "SELECT trade_id, order_id, after, mid FROM marks WHERE mid IS NOT NULL"
        " AND epoch IN (SELECT value FROM json_each(?)) AND at >= ?",
        asked,
    )
    return {(trade_id, order_id, after): mid for trade_id, order_id, after, mid in rows}


def _worth(store: sqlite3.Connection, mode: _Mode) -> dict[str, Price]:
    """Return what a YES contract came to by market: what was paid, or the last mid at one of our fills."""
    worth: dict[str, Price] = dict(store.execute(_MIDS, (mode,)).fetchall())
    worth.update(store.execute(_PAYOUTS, (mode,)).fetchall())
    return worth


def _pnl(fills: list[_Fill], worth: dict[str, Price]) -> Money:
    total = 0
    unknown: dict[str, Qty] = {}
    for fill in fills:
        total -= fill.sign * fill.price * fill.qty + fill.fee
        if fill.ticker in worth:
            total += fill.sign * worth[fill.ticker] * fill.qty
        else:
            unknown[fill.ticker] = unknown.get(fill.ticker, 0) + fill.sign * fill.qty
    return total + sum(PRICE_ONE * qty for qty in unknown.values() if qty < 0)


def _markout(fills: list[_Fill], marks: _Marks, after: Ns) -> tuple[float | None, int]:
    """Return the profit per contract in dollars some time after the fill, and of how many fills that is."""
    known = [(fill, marks[key]) for fill in fills if (key := (fill.trade_id, fill.order_id, after)) in marks]
    qty = sum(fill.qty for fill, _ in known)
    gained = sum(fill.sign * (mid - fill.price) * fill.qty for fill, mid in known)
    return (gained / qty / PRICE_ONE if qty else None), len(known)


def _is_through(fill: _Fill, marks: _Marks) -> bool:
    """Whether the market went through a resting order's price: whoever stood last was filled too."""
    mid = marks.get((fill.trade_id, fill.order_id, MARKS[0]))
    return mid is not None and fill.sign * (mid - fill.price) < 0


def _day_text(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
