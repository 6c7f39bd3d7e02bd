"""How often what was scored came true, from the store: for the page's reliability diagram.

One point per ended market: the mean of the scores at which we asked for orders there, and what one YES paid.
So it is of what we traded, not of all that was scored. Read by a thread, from a connection that can't write.

Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927 (intervals).
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from pathlib import Path

import msgspec

BINS = 10
WITHIN_S = 2.0
Z = 1.96
_STEPS = 10_000
"""SQLite's own instructions between two looks at the clock."""
_QUERY = f"""
WITH paid AS (SELECT ticker, max(outcome) AS outcome FROM judged_markets GROUP BY ticker),
     scored AS (SELECT intents.ticker, avg(score) AS score, max(paid.outcome) AS outcome
                FROM intents JOIN paid ON paid.ticker = intents.ticker
                WHERE action = 'place' AND score BETWEEN 0 AND 1 GROUP BY intents.ticker)
SELECT min({BINS - 1}, CAST(score * {BINS} AS INTEGER)) AS bin, count(*), avg(score), avg(outcome)
FROM scored GROUP BY bin ORDER BY bin
"""  # noqa: S608 - a constant of ours


class Bin(msgspec.Struct, frozen=True):
    """Markets of about one score: how many, their mean score, the share that paid, and its 95% interval."""

    count: int
    score: float
    paid: float
    low: float
    high: float


class Reliability(msgspec.Struct, frozen=True):
    """The diagram. `why_none` says why there are no bins; None where there are some."""

    bins: tuple[Bin, ...] = ()
    why_none: str | None = None


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share seen in `count` trials, 1 or more."""
    z2 = Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def read_reliability(store: Path, within_s: float = WITHIN_S) -> Reliability:
    """Return the diagram of a store; where there is none, or it can't be read in time, why."""
    if not store.is_file():
        return Reliability(why_none="nothing is kept for reports in this run")
    deadline = time.monotonic() + within_s
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
            database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            rows = database.execute(_QUERY).fetchall()
    except sqlite3.Error as error:
        return Reliability(why_none=f"the store can't be read now: {error}")
    if not rows:
        return Reliability(why_none="no market that was traded has ended yet")
    return Reliability(tuple(Bin(count, score, paid, *wilson(paid, count)) for _, count, score, paid in rows))
