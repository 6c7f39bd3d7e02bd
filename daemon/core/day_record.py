"""What the limits on losses need to know of the lives before this one.

A limit on a day's loss that a restart forgets is none. So the core decides this record by the clock
(`KeepDay`), it stands in the journal, and the next life on the same account is told it (`DayRecovered`).
"""

from __future__ import annotations

import msgspec

from daemon.core.drift_record import DriftRecord
from daemon.core.units import BookSide, Money, Ns, Price, Qty


class DayRecord(msgspec.Struct, frozen=True, array_like=True):
    """How a day went so far. Both equities count the owner's deposits and withdrawals up to `cash_as_of`.

    `day` counts days (UTC) since 1970. `quotes` are (ticker, best bid, best ask) by which open positions were
    marked last, None for an empty side. `acknowledged` are (breaker, loss) in spite of which one resumed.
    `shares` are (ticker, strategy, signed contracts, their cost), "" for nobody's: who sizes by what is held
    would otherwise buy it all again. `awaited` are (ticker, strategy, side, contracts) of open orders, which
    may trade before the next life begins. `results` are (strategy, the day's result but for what is open
    against its cost). `drift` is what is known of the models, None where they are not watched.
    """

    day: int
    cash_as_of: Ns
    equity_at_day_start: Money
    equity_peak: Money
    losing_streak: int
    stopped_out: tuple[str, ...] = ()
    quotes: tuple[tuple[str, Price | None, Price | None], ...] = ()
    acknowledged: tuple[tuple[str, Money], ...] = ()
    shares: tuple[tuple[str, str, Qty, Money], ...] = ()
    results: tuple[tuple[str, Money], ...] = ()
    awaited: tuple[tuple[str, str, BookSide, Qty], ...] = ()
    drift: DriftRecord | None = None
