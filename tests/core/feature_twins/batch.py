"""The features of book, trades and price over a whole list of events at once, by numpy: the offline way.

Written from the definitions for a recorded tape, where the slow twins would take days: one market's books
with all messages, and trades without a hole. Shape of everything: (events,), a value for the row that is
read after that event, at its instant. Missing is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.core.feature_twins.history import MINUTE, SECOND
from tests.core.feature_twins.ladders import Bools, Floats, Ints, Side, side_after

Columns = dict[str, Floats]


@dataclass
class Tape:
    """One market's events in order, beginning with a snapshot; `at` never goes back."""

    at: Ints
    yes: dict[int, int]
    no: dict[int, int]
    """The snapshot's sizes by price: event 0."""
    price: Ints
    """Of a delta its price on its side's scale; of a trade the YES price."""
    delta_yes: Ints
    delta_no: Ints
    traded: Ints
    """Signed contracts of a trade; 0 for what is none."""

    def __len__(self) -> int:
        return len(self.at)


def columns_of(tape: Tape) -> Columns:
    """Return all columns by name; those of the book are NaN from an impossible delta on."""
    yes = side_after(tape.yes, tape.price, tape.delta_yes)
    no = side_after(tape.no, tape.price, tape.delta_no)
    lost = np.flatnonzero(yes.is_impossible | no.is_impossible)
    alive = np.arange(len(tape)) < (lost[0] if len(lost) else len(tape))
    top = _Top(yes, no)
    columns = {**_shape(top, yes, no), **_flow(tape, top), **_price(tape, top)}
    for column in columns.values():
        column[~alive] = np.nan
    return {**columns, **_trades(tape, top, alive)}


class _Top:
    """The best levels after each event, asks on the YES scale; a missing side at the end of the scale."""

    def __init__(self, yes: Side, no: Side) -> None:
        self.bid, self.bid_size = yes.best, yes.best_size
        self.ask, self.ask_size = 10_000 - no.best, no.best_size
        self.is_two_sided = (self.bid_size > 0) & (self.ask_size > 0)
        self.twice_mid = self.bid + self.ask

    def masked(self, values: Floats) -> Floats:
        return np.where(self.is_two_sided, values, np.nan)


def _ratio(above: Ints, below: Ints, valid: Bools | None = None) -> Floats:
    """The quotient; NaN where the divisor is 0, or where it isn't valid."""
    known = (below != 0) if valid is None else (below != 0) & valid
    return np.where(known, above / np.where(below == 0, 1, below), np.nan)


def _shape(top: _Top, yes: Side, no: Side) -> Columns:
    bid, ask, bid_size, ask_size = top.bid, top.ask, top.bid_size, top.ask_size
    columns = {
        "spread": top.masked((ask - bid) / 10_000),
        "mid": top.masked(top.twice_mid / 20_000),
        "weighted_mid": _ratio(
            bid * ask_size + ask * bid_size, 10_000 * (bid_size + ask_size), top.is_two_sided
        ),
        "top_imbalance": _ratio(bid_size - ask_size, bid_size + ask_size, top.is_two_sided),
        "distance_50": top.masked((top.twice_mid - 10_000) / 10_000),
        "bid_size": bid_size / 100,
        "ask_size": ask_size / 100,
        "depth_imbalance_5": _ratio(yes.depth - no.depth, yes.depth + no.depth),
    }
    gone = np.arctan(np.where(top.is_two_sided, bid_size / np.maximum(ask_size, 1), np.nan))
    columns["microprice"] = (bid + (ask - bid) * gone / (np.pi / 2)) / 10_000
    for name, side, twice_mid in (("bid", yes, top.twice_mid), ("ask", no, 20_000 - top.twice_mid)):
        distance = np.where(top.is_two_sided, twice_mid - 2 * side.farthest, 0)
        columns[f"{name}_slope_5"] = _ratio(side.depth * 200, np.maximum(distance, 0))
        columns[f"{name}_gap"] = np.where(side.second > 0, (side.best - side.second) / 10_000, np.nan)
    return columns


def _window(tape: Tape, amounts: Ints, seconds: int) -> tuple[Ints, Bools]:
    """Sums of amounts over a window before each event, and whether the tape reaches back so far."""
    window = seconds * SECOND
    totals = np.concatenate([[0], np.cumsum(amounts)])
    if seconds <= 300:
        start = tape.at - window
        first = np.searchsorted(tape.at, start, side="right")
    else:
        step = seconds // 60 * SECOND
        start = (tape.at - window) // step * step
        first = np.searchsorted(tape.at, start, side="left")
    return totals[1:] - totals[np.maximum(first, 0)], start >= tape.at[0]


def _flow(tape: Tape, top: _Top) -> Columns:
    count = len(tape)
    old, new = slice(0, count - 1), slice(1, count)
    gained = np.where(top.bid[new] >= top.bid[old], top.bid_size[new], 0)
    gained -= np.where(top.bid[new] <= top.bid[old], top.bid_size[old], 0)
    gained -= np.where(top.ask[new] <= top.ask[old], top.ask_size[new], 0)
    gained += np.where(top.ask[new] >= top.ask[old], top.ask_size[old], 0)
    flow = np.concatenate([[0], gained])
    is_message = (tape.delta_yes != 0) | (tape.delta_no != 0)
    removed = -np.minimum(tape.delta_yes, 0) - np.minimum(tape.delta_no, 0)
    columns = {}
    for seconds in (1, 5, 10, 60, 900):
        total, is_whole = _window(tape, flow, seconds)
        columns[f"ofi_{seconds}s"] = np.where(is_whole, total / 100, np.nan)
    for seconds in (1, 10, 60, 900):
        total, is_whole = _window(tape, is_message.astype(np.int64), seconds)
        columns[f"message_rate_{seconds}s"] = np.where(is_whole, total / seconds, np.nan)
    for seconds in (10, 60):
        gone, is_whole = _window(tape, removed, seconds)
        traded, _ = _window(tape, np.abs(tape.traded), seconds)
        columns[f"cancel_share_{seconds}s"] = _ratio(np.maximum(gone - traded, 0), gone, is_whole)
    has_moved = np.zeros(count, dtype=bool)
    for level in (top.bid, top.bid_size, top.ask, top.ask_size):
        has_moved[1:] |= level[1:] != level[:-1]
    columns["top_age"] = _age(tape, has_moved)
    is_message[0] = True
    columns["book_age"] = _age(tape, is_message)
    return columns


def _age(tape: Tape, happened: Bools) -> Floats:
    last = np.maximum.accumulate(np.where(happened, np.arange(len(tape)), -1))
    return np.where(last >= 0, (tape.at - tape.at[np.maximum(last, 0)]) / SECOND, np.nan)


def _mids_at(tape: Tape, top: _Top, instants: Ints) -> Floats:
    """Twice the mid in force at instants, all of their events included; NaN where it is unknown."""
    place = np.searchsorted(tape.at, instants, side="right") - 1
    mids = np.where(top.is_two_sided, top.twice_mid, np.nan)
    return np.where(place >= 0, mids[np.maximum(place, 0)], np.nan)


def _price(tape: Tape, top: _Top) -> Columns:
    mid = top.masked(top.twice_mid.astype(np.float64))
    change = {}
    for seconds in (5, 10, 30, 60, 300, 900, 3_600):
        then = tape.at - seconds * SECOND
        change[seconds] = mid - _mids_at(tape, top, then if seconds <= 300 else then // MINUTE * MINUTE)
    columns = {f"mid_momentum_{seconds}s": moved / 20_000 for seconds, moved in change.items()}
    for one, other in ((5, 60), (60, 300), (300, 900)):
        base = np.where(change[other] == 0, np.nan, change[other])
        columns[f"momentum_ratio_{one}s_{other}s"] = change[one] / base
    last = (tape.at - 1) // MINUTE
    for minutes in (5, 15, 60):
        total = np.zeros(len(tape))
        for back in range(minutes):
            after = _mids_at(tape, top, (last - back) * MINUTE)
            total += (after - _mids_at(tape, top, (last - back - 1) * MINUTE)) ** 2
        columns[f"realised_vol_{minutes * 60}s"] = np.sqrt(total / minutes) / 20_000
    twenty = np.stack([_mids_at(tape, top, (last - back) * MINUTE) for back in range(20)])
    columns["low_distance_20m"] = (mid - twenty.min(axis=0)) / 20_000
    columns["high_distance_20m"] = (mid - twenty.max(axis=0)) / 20_000
    for ago in (1, 15, 60):
        columns[f"candle_mid_{ago}"] = _mids_at(tape, top, (last - ago + 1) * MINUTE) / 20_000
    squares = _squared_ranges(tape, top)
    for minutes in (1, 5, 15, 60):
        columns[f"parkinson_vol_{minutes}m"] = _parkinson(tape, squares, minutes)
    for days in (1, 7):
        columns[f"mean_deviation_{days}d"] = np.full(len(tape), np.nan)  # no tape is as long as that
    return columns


def _squared_ranges(tape: Tape, top: _Top) -> Floats:
    """ln(high / low)^2 of each whole minute from the first event's on; NaN if unknown."""
    mids = np.where(top.is_two_sided, top.twice_mid, np.nan)
    first = -(-int(tape.at[0]) // MINUTE)
    squares = []
    for minute in range(first, int(tape.at[-1]) // MINUTE):
        start, end = np.searchsorted(tape.at, [minute * MINUTE, (minute + 1) * MINUTE])
        within = mids[max(start - 1, 0) : end]
        known = within[~np.isnan(within)]
        squares.append(np.log(known.max() / known.min()) ** 2 if len(known) else np.nan)
    return np.array(squares)


def _parkinson(tape: Tape, squares: Floats, minutes: int) -> Floats:
    if len(squares) < minutes:
        return np.full(len(tape), np.nan)
    mean = sliding_window_view(squares, minutes).mean(axis=1) / (4 * np.log(2))
    first = -(-int(tape.at[0]) // MINUTE)
    place = tape.at // MINUTE - first - minutes
    return np.where(place >= 0, np.sqrt(mean[np.maximum(place, 0)]), np.nan)


def _trades(tape: Tape, top: _Top, alive: Bools) -> Columns:
    qty = np.abs(tape.traded)
    columns = {}
    for seconds in (10, 60, 300, 900):
        total, is_whole = _window(tape, tape.traded, seconds)
        columns[f"trade_flow_{seconds}s"] = np.where(is_whole, total / 100, np.nan)
    count, is_whole = _window(tape, (qty > 0).astype(np.int64), 60)
    columns["trade_rate_60s"] = np.where(is_whole, count / 60, np.nan)
    for seconds in (60, 300):
        volume, is_whole = _window(tape, qty, seconds)
        notional, _ = _window(tape, qty * tape.price, seconds)
        distance = top.twice_mid * volume - 2 * notional
        columns[f"vwap_distance_{seconds}s"] = _ratio(
            distance, 20_000 * volume, is_whole & top.is_two_sided & alive
        )
    for seconds in (5, 60):
        columns[f"volume_z_{seconds}s"] = _volume_z(tape, qty, seconds * SECOND)
    by_minute = np.bincount((tape.at - tape.at[0] // MINUTE * MINUTE) // MINUTE, weights=qty)
    for ago in (1, 15):
        minute = tape.at // MINUTE - ago
        place = np.clip(minute - tape.at[0] // MINUTE, 0, len(by_minute) - 1)
        columns[f"candle_volume_{ago}"] = np.where(
            minute * MINUTE >= tape.at[0], by_minute[place] / 100, np.nan
        )
    return columns


def _volume_z(tape: Tape, qty: Ints, period: int) -> Floats:
    first = int(tape.at[0]) // period
    volumes = np.bincount(tape.at // period - first, weights=qty)
    if len(volumes) < 20:
        return np.full(len(tape), np.nan)
    windows = sliding_window_view(volumes, 20)
    deviation = np.where(windows.max(axis=1) > windows.min(axis=1), windows.std(axis=1), np.nan)
    z = (windows[:, -1] - windows.mean(axis=1)) / deviation
    place = tape.at // period - first - 20
    is_whole = (tape.at // period - 20) * period >= tape.at[0]
    return np.where(is_whole, z[np.clip(place, 0, len(z) - 1)], np.nan)


def spot_columns(at: Ints, price: Ints, strike: int, close_at: int) -> Columns:
    """Return the columns of a reference price by name, a value for the row that is read after each price."""
    columns = {}
    for seconds in (1, 5, 30):
        place = np.searchsorted(at, at - seconds * SECOND, side="right") - 1
        then = price[np.maximum(place, 0)]
        columns[f"reference_return_{seconds}s"] = np.where(place >= 0, np.log(price / then), np.nan)
    columns["reference_vol_300s"] = vol = _spot_volatility(at, price)
    columns["strike_distance"] = distance = np.log(price / strike)
    left = (close_at - at) / SECOND
    sigma = np.where((left > 0) & (vol > 0), vol * np.sqrt(np.maximum(left, 0)), np.nan)
    columns["strike_distance_sigma"] = distance / sigma
    return columns


def _spot_volatility(at: Ints, price: Ints) -> Floats:
    first = -(-int(at[0]) // SECOND)
    seconds = np.arange(first, int(at[-1]) // SECOND + 1)
    sampled = price[np.searchsorted(at, seconds * SECOND, side="right") - 1]
    totals = np.concatenate([[0], np.cumsum(np.diff(sampled) ** 2)])
    last = np.maximum((at - 1) // SECOND - first, 0)  # a second's own instant is sampled just after it
    count = np.minimum(last, 300)
    total = totals[last] - totals[last - count]
    return np.where(count >= 10, np.sqrt(total / np.maximum(count, 1)) / price, np.nan)
