"""What is listed as rows: a market's row knows nothing of its end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from daemon.core.events import BookSnapshotReceived
from daemon.core.units import HOUR
from daemon.kalshi.bodies import MarketOutcome, Series
from daemon.lab.ingest.listing import book_rows, event_rows, market_row, series_row, settlement_row
from daemon.lab.store_tables import table_named
from tests.sandbox.scripted import OPEN, SETTLED, spec_of

OPEN_AT, CLOSE_AT = 10 * HOUR, 11 * HOUR


def outcome(ticker: str = OPEN, open_at: int = OPEN_AT, **end: Any) -> MarketOutcome:
    known = {"result": None, "settlement_price": None, "settled_at": None, "expiration_value": None, **end}
    return MarketOutcome(spec_of(ticker, open_at, CLOSE_AT), **known)


ENDED = outcome(result="yes", settlement_price=10_000, settled_at=CLOSE_AT + 5, expiration_value="83,950.62")


def test_a_markets_row_is_the_same_whatever_became_of_it() -> None:
    """Shift its end, and nothing moves but the word that it was read when it was over."""
    before = market_row(outcome(), CLOSE_AT - 1)
    assert before == market_row(ENDED, CLOSE_AT - 1)
    assert {**before, "was_over": True} == market_row(ENDED, CLOSE_AT)
    assert set(table_named("markets").names) == set(before)
    assert (OPEN_AT, 83_950_620_000) == (before["known_at"], before["strike"])


def test_an_end_is_known_when_it_is_settled() -> None:
    """Not before: a result without a settlement is no row."""
    found = settlement_row(ENDED)
    assert found is not None
    assert set(table_named("settlements").names) == set(found)
    assert (CLOSE_AT + 5, "yes", 10_000) == (found["known_at"], found["result"], found["settlement_price"])
    assert None is settlement_row(outcome())
    assert None is settlement_row(outcome(result="yes", settlement_price=10_000))
    assert None is settlement_row(outcome(settled_at=5))


def test_a_range_has_two_bounds() -> None:
    """And others have none."""
    spec = msgspec.structs.replace(outcome().spec, strike=None, strike_type="between", strike_range=(5, 9))
    row = market_row(msgspec.structs.replace(outcome(), spec=spec), 0)
    assert (None, 5, 9) == (row["strike"], row["strike_floor"], row["strike_cap"])
    assert None is market_row(outcome(), 0)["strike_floor"]


def test_an_event_is_known_from_its_first_market_on() -> None:
    """Once, with its title."""
    later, first = outcome(OPEN), outcome(OPEN, OPEN_AT - HOUR)
    other = outcome(SETTLED)
    titles = {later.spec.event_ticker: "one", other.spec.event_ticker: "other"}
    found = event_rows([later, first, other], titles)
    assert [("one", OPEN_AT - HOUR), ("other", OPEN_AT)] == [(row["title"], row["known_at"]) for row in found]
    assert set(table_named("events").names) == set(found[0])


def test_a_series_is_known_when_it_is_read() -> None:
    """Its multiplier in millionths; None where the venue says none."""
    series = Series("S", "quadratic", msgspec.Raw(b"0.5"), 2, "Crypto", "daily", "Title")
    found = series_row(series, 77)
    assert (500_000, 77) == (found["fee_multiplier_ppm"], found["known_at"])
    assert set(table_named("series").names) == set(found)


@pytest.mark.parametrize("side", ["yes", "no"])
def test_a_books_best_level_is_level_0(side: str) -> None:
    """Each side on its own scale, the ladder's last entry first."""
    book = BookSnapshotReceived("T", ((100, 5), (200, 6)), ((300, 7), (400, 8)), 9, None)
    found = [row for row in book_rows("S", [book]) if row["side"] == side]
    expected = [(0, 200, 6), (1, 100, 5)] if side == "yes" else [(0, 400, 8), (1, 300, 7)]
    assert expected == [(row["level"], row["price"], row["qty"]) for row in found]
    assert set(table_named("books").names) == set(found[0])
