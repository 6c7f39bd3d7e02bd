"""A market's past days: exact means, as many as are read."""

from __future__ import annotations

from fractions import Fraction

from daemon.core.events import DailyBarRead
from daemon.core.features.daily_history import DAYS_KEPT, DailyHistory


def bar(day: int, qty: int = 300, turnover: int = 1_000_000) -> DailyBarRead:
    return DailyBarRead("T", day, qty, turnover, turnover, 0, 0)


def history(*bars: DailyBarRead) -> DailyHistory:
    subject = DailyHistory()
    subject.is_read = True
    for one in bars:
        subject.on_bar(one)
    return subject


def test_the_mean_price_is_exact() -> None:
    """One million over three hundred is no decimal; a day without a trade has no price, but a volume."""
    subject = history(bar(7), bar(8, 0, 0))
    assert (subject.price(7), subject.qty(7), subject.values(7)) == (Fraction(10_000, 3), 300, (1_000_000, 0))
    assert (subject.price(8), subject.qty(8), subject.values(8)) == (None, 0, (0, 0))
    assert (subject.price(9), subject.qty(9), subject.values(9)) == (None, None, None)


def test_a_day_told_again_replaces_what_it_was() -> None:
    """And whoever keeps what was computed of it is told so."""
    subject = history(bar(7), bar(7, 100))
    assert (subject.qty(7), subject.revision) == (100, 2)


def test_only_the_last_days_are_kept() -> None:
    """In any order of arrival: an older one than those is none."""
    subject = history(*(bar(day) for day in range(100)), bar(50))
    assert [day for day in range(100) if subject.qty(day) is not None] == list(range(100 - DAYS_KEPT, 100))


def test_nothing_is_kept_where_no_feature_reads_it() -> None:
    """A market without daily features stays as small as it is."""
    subject = DailyHistory()
    subject.on_bar(bar(7))
    assert (subject.qty(7), subject.revision) == (None, 0)
