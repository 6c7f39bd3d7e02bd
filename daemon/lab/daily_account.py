"""What the strategy `portfolio` would have made of a daily model's forecasts, at prices that could be had.

Once a day each market is brought to its weight: the forecast over the sum of the sizes of all of the day
(L1), of a stake that is a share of the account. YES is bought at the ask and sold at the bid, fees are those
of a taker; what is near enough stays, and nothing is added for less than costs. What is held when a market
nears its close is left to be paid out. Positions and payments are booked by the ledger's own code, in exact
money. A whole position is believed to be had at the best price at once: its cap in contracts keeps it small.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from daemon.core.events import OrderFilled
from daemon.core.ledger import Position
from daemon.core.sizing import edge
from daemon.core.units import DAY, MONEY_ONE, PRICE_ONE, QTY_ONE, BookSide, Money, Ns, Price, Qty
from daemon.lab.daily_rows import DailyRows
from daemon.lab.daily_table import DECIDED_AT
from daemon.lab.fitting.rows import Floats
from daemon.lab.judging.equity import daily_equity
from daemon.lab.judging.execution import order_fee
from daemon.lab.judging.record import TradingRecord, trading_record

TINY = 1e-9
"""As the strategy has it: the weights of a day on which nothing is expected are nothing."""


@dataclass(frozen=True)
class Terms:
    """The account: `start` in Money, and the strategy's own figures at their defaults."""

    start: Money = 10_000 * MONEY_ONE
    gross_share: float = 0.20
    no_trade_band: float = 0.25
    edge_min: float = 0.01
    position_max: Qty = 200 * QTY_ONE


@dataclass(frozen=True)
class DailyAccount:
    """The account, row by row and at its fills. Arrays have the shape (rows,).

    `weight` and `pnl` (dollars) are NaN where nothing was said, or what came of it isn't known; `contracts`
    is what was held after the row's trade, of NO below 0. `worth` is in Money after all that is known.
    """

    weight: Floats
    contracts: Floats
    pnl: Floats
    fills: tuple[OrderFilled, ...]
    payments: dict[str, tuple[Ns, Price]]
    marks: dict[tuple[str, int], Price]
    worth: Money

    def record(self, rows: DailyRows, terms: Terms, trials: int) -> TradingRecord | None:
        """Return the figures of its daily equity, days from decision to decision; None without a fill.

        Args:
            rows: that it was run on.
            terms: likewise.
            trials: how many models this one was chosen from, itself included.
        """
        if not self.fills:
            return None
        traded = {fill.ticker for fill in self.fills}
        payments = {ticker: paid for ticker, paid in self.payments.items() if ticker in traded}
        days, worth = daily_equity(self.fills, payments, self.marks, terms.start, -DECIDED_AT)
        profits: dict[str, float] = {}
        for event, pnl in zip(rows.events(), self.pnl, strict=True):
            if not np.isnan(pnl):
                profits[event] = profits.get(event, 0.0) + float(pnl)
        return trading_record(
            days,
            worth / MONEY_ONE,
            terms.start / MONEY_ONE,
            event_profits=[pnl for pnl in profits.values() if pnl],
            notional=[_cost(fill.side, fill.price) * fill.qty / MONEY_ONE for fill in self.fills],
            fees=sum(fill.fee for fill in self.fills) / MONEY_ONE,
            trials=trials,
        )


def run_account(rows: DailyRows, predicted: Floats, terms: Terms) -> DailyAccount:
    """Return the account of forecasts, dollars of shape (rows,), NaN where nothing was said."""
    run = _Run(rows, predicted, terms)
    said = np.flatnonzero(~np.isnan(predicted))
    if said.size:
        run.through(int(rows.at[said].min()) // DAY, int(rows.at.max()) // DAY)
    return DailyAccount(
        run.weight, run.contracts, run.pnl, tuple(run.fills), run.payments, run.marks, run.worth()
    )


def _cost(side: BookSide, price: Price) -> Price:
    """What a contract of the bought outcome costs at a YES price."""
    return price if side == "bid" else PRICE_ONE - price


@dataclass
class _Open:
    """What a row's result still waits for: the money that it began with, and its number."""

    row: int
    before: Money


@dataclass
class _Run:
    """One walk over the days."""

    rows: DailyRows
    predicted: Floats
    terms: Terms
    fills: list[OrderFilled] = field(default_factory=list)
    payments: dict[str, tuple[Ns, Price]] = field(default_factory=dict)
    marks: dict[tuple[str, int], Price] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.rows.count
        self.weight, self.pnl = np.full(count, np.nan), np.full(count, np.nan)
        self.contracts = np.zeros(count)
        self._cash = self.terms.start
        self._positions: dict[int, Position] = {}
        self._mark: dict[int, Price] = {}
        self._open: dict[int, _Open] = {}
        self._by_day: dict[int, list[int]] = {}
        for row, at in enumerate(self.rows.at):
            self._by_day.setdefault(int(at) // DAY, []).append(row)
        self._last_row = {int(place): row for row, place in enumerate(self.rows.market)}

    def worth(self) -> Money:
        """Return cash and positions at their last mids."""
        # A market that had no mid yet has no mark, and nothing of it is held.
        held = [(place, one) for place, one in self._positions.items() if one.qty]
        return self._cash + sum(position.value(self._mark[place]) for place, position in held)

    def through(self, first: int, last: int) -> None:
        """Walk from one day to another, and take what is paid after the last."""
        for day in range(first, last + 1):
            rows = self._by_day.get(day, [])
            self._pay(day * DAY + DECIDED_AT)
            self._look(rows, day)
            wanted = self._wanted(rows)
            equity = self.worth()
            for row in rows:
                self._begin(row)
                if row in wanted:
                    self._trade(row, wanted[row], equity)
                self.contracts[row] = self._position(row).qty / QTY_ONE
        self._pay(None)

    def _position(self, row: int) -> Position:
        return self._positions.setdefault(int(self.rows.market[row]), Position())

    def _look(self, rows: list[int], day: int) -> None:
        """Take the day's mids: results that waited for them are known, and the day before has its marks."""
        for row in rows:
            place = int(self.rows.market[row])
            if not np.isnan(self.rows.mid[row]):
                self._mark[place] = (self._price(self.rows.bid, row) + self._price(self.rows.ask, row)) // 2
            self._close(place)
        for place, position in self._positions.items():
            if position.qty:
                self.marks[self.rows.markets[place].spec.ticker, day - 1] = self._mark[place]

    def _price(self, column: Floats, row: int) -> Price:
        return round(float(column[row]) * PRICE_ONE)

    def _begin(self, row: int) -> None:
        """A row's result is counted from here on, where it will ever be known and there is a price."""
        place = int(self.rows.market[row])
        is_last = self._last_row[place] == row and self.rows.markets[place].payout is None
        if place in self._mark and not is_last:
            self._open[place] = _Open(row, self._position(row).value(self._mark[place]))

    def _close(self, place: int, price: Price | None = None) -> None:
        waiting = self._open.pop(place, None)
        if waiting is not None:
            position = self._positions[place]
            after = position.value(self._mark[place] if price is None else price)
            self.pnl[waiting.row] = (after - waiting.before) / MONEY_ONE

    def _pay(self, now: Ns | None) -> None:
        """Pay out what was settled by an instant, or ever."""
        for place in list(self._positions):
            market = self.rows.markets[place]
            if market.payout is None or market.settled_at is None:
                continue
            if now is None or market.settled_at <= now:
                self._close(place, market.payout)
                self._cash += self._positions.pop(place).value(market.payout)
                self.payments[market.spec.ticker] = (market.settled_at, market.payout)

    def _wanted(self, rows: list[int]) -> dict[int, float]:
        """Return the weights of the rows that are forecast: their sizes sum to 1."""
        said = [row for row in rows if self._is_tradeable(row)]
        total = sum(abs(float(self.predicted[row])) for row in said) + TINY
        for row in said:
            self.weight[row] = float(self.predicted[row]) / total
        return {row: float(self.weight[row]) for row in said}

    def _is_tradeable(self, row: int) -> bool:
        market = self.rows.markets[self.rows.market[row]]
        is_known = not np.isnan(self.predicted[row]) and not np.isnan(self.rows.mid[row])
        has_result = market.payout is not None or self._last_row[int(self.rows.market[row])] != row
        return is_known and has_result and int(self.rows.at[row]) + DAY < market.spec.close_at

    def _trade(self, row: int, weight: float, equity: Money) -> None:
        terms, position = self.terms, self._position(row)
        fees = self.rows.markets[self.rows.market[row]].spec.fees
        bid, ask = self._price(self.rows.bid, row), self._price(self.rows.ask, row)
        side: BookSide = "bid" if weight >= 0 else "ask"
        price = ask if side == "bid" else bid
        stake = abs(weight) * terms.gross_share * equity
        size: Qty = min(int(stake / _cost(side, price) // QTY_ONE) * QTY_ONE, terms.position_max)
        aim, held = (size if side == "bid" else -size), position.qty
        if abs(aim - held) <= terms.no_trade_band * max(abs(aim), abs(held)):
            return
        way: BookSide = "bid" if aim > held else "ask"
        if way == side:
            expected = min(1.0, max(0.0, float(self.rows.mid[row]) + float(self.predicted[row])))
            if edge(expected, price, side, fees, is_taker=True) < terms.edge_min:
                if not held or (held > 0) == (side == "bid"):
                    return
                aim = 0  # what is held the wrong way goes, as the strategy has it
        self._fill(row, aim - held, ask if aim > held else bid)

    def _fill(self, row: int, delta: Qty, price: Price) -> None:
        spec = self.rows.markets[self.rows.market[row]].spec
        side: BookSide = "bid" if delta > 0 else "ask"
        fee = order_fee(spec.fees, _cost(side, price), abs(delta))
        gained = self._position(row).trade(delta, price) - fee
        self._cash += gained
        waiting = self._open[int(self.rows.market[row])]
        waiting.before -= gained
        name = f"{spec.ticker}-{int(self.rows.at[row]) // DAY}"
        self.fills.append(
            OrderFilled(
                name,
                name,
                None,
                spec.ticker,
                side,
                price,
                abs(delta),
                fee,
                True,
                int(self.rows.at[row]),
                None,
            )
        )
