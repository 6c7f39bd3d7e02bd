"""The features of the event, by hand; against their twin they are compared in test_catalogue."""

from __future__ import annotations

import math

import msgspec
import pytest

from daemon.core.events import ReferencePriceReceived
from daemon.core.units import MONEY_ONE
from tests.core.features.quoted import NAMES, Quotes, above, below, between


@pytest.fixture
def ladder() -> Quotes:
    """Above 10 at 0.95, above 20 at 0.50, above 30 at 0.05."""
    quotes = Quotes(above("A", 10), above("B", 20), above("C", 30))
    for ticker, mid in (("A", 9_500), ("B", 5_000), ("C", 500)):
        quotes.quote(ticker, mid - 100, mid + 100)
    return quotes


def test_a_ladder_by_hand(ladder: Quotes) -> None:
    """Its quantiles, in dollars and against the price; each market reads the same ones at its own rank."""
    ladder.reference.on_price(ReferencePriceReceived("x", "BTC/USD", 16 * MONEY_ONE, ladder.now, None))
    rows = [ladder.row(ticker) for ticker in "ABC"]
    assert [row["ladder_rank"] for row in rows] == [0, 1, 2]
    assert [row["ladder_place"] for row in rows] == [0, 0.5, 1]
    row = rows[1]
    assert row["implied_quantile_50"] == 20
    assert row["implied_quantile_10"] == pytest.approx(10 + 10 / 9)
    assert row["implied_quantile_90"] == pytest.approx(30 - 10 / 9)
    assert row["implied_return_50"] == pytest.approx(math.log(20 / 16))
    assert row["event_mid_sum"] is None


def test_a_lost_book_makes_the_distribution_unknown_until_it_is_back(ladder: Quotes) -> None:
    """Of all its markets; the ranks are the listing's and stay."""
    ladder.lose("C")
    row = ladder.row("A")
    assert [row[name] for name in NAMES if name.startswith("implied")] == [None] * 4
    assert row["ladder_rank"] == 0
    ladder.quote("C", 400, 600)
    assert ladder.row("A")["implied_quantile_50"] == 20


def test_a_determined_outcome_counts_no_more(ladder: Quotes) -> None:
    """Its book is nothing that anybody would trade by."""
    ladder.lose("C")
    ladder.features["C"].on_spec(msgspec.structs.replace(above("C", 30), status="determined"))
    assert ladder.row("A")["implied_quantile_50"] == 20


def test_outcomes_that_exclude_each_other_by_hand() -> None:
    """An absent bid counts as 0 and an absent ask as one dollar; a book without either is unknown."""
    quotes = Quotes(below("L", 10), between("M", 10, 20), above("H", 20, structure="exclusive"))
    quotes.quote("L", 0, 100)
    quotes.quote("M", 9_000, 10_000)
    quotes.quote("H", 400, 600)
    assert quotes.row("M")["event_mid_sum"] == 0.005 + 0.95 + 0.05
    quotes.quote("H", 0, 10_000)
    assert quotes.row("M")["event_mid_sum"] is None


def test_a_market_alone_has_no_place() -> None:
    """It is the lowest, of nothing else."""
    quotes = Quotes(above("A", 10))
    quotes.quote("A", 4_000, 4_200)
    row = quotes.row("A")
    assert (row["ladder_rank"], row["ladder_place"], row["implied_quantile_50"]) == (0, None, None)
