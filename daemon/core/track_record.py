"""How it went so far: equity since the start, since midnight UTC and from its peak, and losses in a row.

A position that was closed or settled counts as one result, fees included. The record goes on where a life
before left it: a restart makes no room for another loss.
"""

from __future__ import annotations

from daemon.core.day_record import DayRecord
from daemon.core.ledger import Ledger, Position
from daemon.core.units import DAY, SECOND, Money, Ns

LOOK_EVERY: Ns = SECOND
"""The peak is looked for so often: equity is marked to the books, and summing it on every tick costs."""


class TrackRecord:
    """Equity at the start, at midnight and at its peak, and the streak of losses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._day = -1
        self._looked_at: Ns | None = None
        self._realized: Money | None = None
        """The ledger's total when positions were last looked at; None when they are to be taken as new."""
        self._known: dict[str, tuple[Position, Money]] = {}
        """By market, its position and what that had earned after fees when it was last flat."""
        self.equity_at_start: Money | None = None
        self.equity_at_day_start: Money = 0
        self.equity_peak: Money | None = None
        self.equity: Money | None = None
        """As it was told last."""
        self.losing_streak = 0

    @property
    def day(self) -> int:
        """The day (UTC) that is counted, in days since 1970; -1 before the first look."""
        return self._day

    @property
    def told_at(self) -> Ns | None:
        """When the equity was told last; None before the first time."""
        return self._looked_at

    def recover(self, record: DayRecord, now: Ns) -> None:
        """Go on where a life before left it. The loss of the time in between counts to the day.

        A peak is forgotten that is a day old; another day begins with the first look.
        """
        self._day, self.losing_streak = record.day, record.losing_streak
        self.equity_at_day_start = record.equity_at_day_start
        self.equity_peak = record.equity_peak if now - record.cash_as_of < DAY else None

    def is_look_due(self, now: Ns) -> bool:
        """Whether the equity is to be told again."""
        return self._looked_at is None or now // DAY != self._day or now - self._looked_at >= LOOK_EVERY

    def tell_equity(self, equity: Money, now: Ns) -> None:
        """Take the marked equity of now."""
        self._looked_at, self.equity = now, equity
        if now // DAY != self._day:
            self._day, self.equity_at_day_start, self.losing_streak = now // DAY, equity, 0
        if self.equity_at_start is None:
            self.equity_at_start = equity
        self.equity_peak = equity if self.equity_peak is None else max(self.equity_peak, equity)

    def drawdown(self, equity: Money) -> Money:
        """Return the peak less this equity, not below 0."""
        return 0 if self.equity_peak is None else max(0, self.equity_peak - equity)

    def forget_results(self) -> None:
        """The venue's lists may have replaced our positions: what those have earned is no result of ours."""
        self._realized = None

    def look_for_results(self) -> None:
        """Find the positions that were closed or settled since the last time; cheap when there is none."""
        ledger = self._ledger
        if ledger.realized == self._realized:
            return
        is_new = self._realized is None
        self._realized = ledger.realized
        for ticker, position in ledger.positions.items():
            # One that we have not seen before was opened by us since: it had earned nothing.
            known, earned_before = self._known.get(ticker, (position, 0))
            earned = position.realized - position.fees
            if is_new or known is not position:
                self._known[ticker] = (position, earned)
            elif position.qty == 0 and earned != earned_before:
                self._known[ticker] = (position, earned)
                self.losing_streak = self.losing_streak + 1 if earned < earned_before else 0
