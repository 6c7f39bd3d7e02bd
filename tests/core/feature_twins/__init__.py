"""The features again, written the slow way: from the whole history, with no state kept between rows.

Independent of `daemon.core.features` on purpose: nothing is imported from there. A twin reads the list of
everything that was seen since the start and answers what the feature must be at an instant. A module per
group; a new group adds its row below.
"""

from __future__ import annotations

from tests.core.feature_twins.book import book_row
from tests.core.feature_twins.calendar import calendar_row
from tests.core.feature_twins.daily import daily_row
from tests.core.feature_twins.event import event_row
from tests.core.feature_twins.history import History, Top
from tests.core.feature_twins.price import price_row
from tests.core.feature_twins.reference import reference_row
from tests.core.feature_twins.trades import trades_row

__all__ = ["History", "Top", "twin_row"]

ROWS = (book_row, trades_row, price_row, reference_row, calendar_row, event_row, daily_row)


def twin_row(history: History, now: int) -> dict[str, float | None]:
    """Return every feature by name, from the history alone."""
    return {name: value for row in ROWS for name, value in row(history, now).items()}
