"""The venue's REST calls that the daemon makes, typed: core structs in, core structs out.

Reads raise `Transient` or `Refused`; writes also `Unknown`, when they may have happened. A read that is
answered with a shape that we don't know is `Unreadable`, which is Transient: nothing is ever filled in for
what is missing. Nothing here retries: the caller knows its budget of tokens.
"""

from __future__ import annotations

from daemon.kalshi.bodies import FeeChange, Listing, MarketOutcome
from daemon.kalshi.rest.client import ReadingRest, Rest
from daemon.kalshi.rest.orders import BatchOutcome

__all__ = ["BatchOutcome", "FeeChange", "Listing", "MarketOutcome", "ReadingRest", "Rest"]
