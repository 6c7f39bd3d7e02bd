"""Which days a report is about, and what is said of texts that name none."""

from __future__ import annotations

import pytest

from daemon.core.units import DAY, HOUR
from daemon.report.period import Period, PeriodRefused, day_of, parse_day, parse_range
from tests.report.days import DAY_0, DAY_NAME, PERIOD


def test_a_day_is_from_midnight_to_midnight_in_utc() -> None:
    """By its name, and by an instant in it."""
    assert PERIOD == parse_day(DAY_NAME)
    assert PERIOD == day_of(DAY_0 + 23 * HOUR)


def test_both_ends_of_a_range_are_in_it() -> None:
    """Three days from the first to the third one; one day is a range too."""
    assert Period("2024-10-04..2024-10-06", DAY_0, DAY_0 + 3 * DAY) == parse_range("2024-10-04..2024-10-06")
    assert DAY == (one := parse_range("2024-10-04..2024-10-04")).until - one.since


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-10-04", "no range of days"),
        ("2024-10-04..2024-10-03", "ends before it begins"),
        ("2024-10-04..", "'' is no UTC day"),
        ("20241004..20241005", "is no UTC day such as"),
        ("1969-12-31..1970-01-01", "'1969-12-31' is no UTC day"),
    ],
)
def test_what_names_no_days_is_refused_in_words(text: str, words: str) -> None:
    """The message names the text and what is allowed."""
    with pytest.raises(PeriodRefused, match=words):
        parse_range(text)
