"""How many markets' scores are held against their mids: that cost has a bound."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.core.book import Book
from daemon.core.markets import MarketSpec
from daemon.core.models import COMPARED_EVERY, COMPARED_MAX, DEFAULT, Model, Models
from daemon.core.units import Ns
from tests.core.test_models import MID, Said
from tests.core.worlds import NOW, spec


def test_of_many_markets_a_bounded_number_is_compared() -> None:
    """A thousand at once, as often as they are due; of three thousand that tick, one in each millisecond."""
    models = Models({DEFAULT: Model(Said())})
    specs, row = [spec(f"M-{number}") for number in range(3 * COMPARED_MAX)], (MID, 0.02)

    def compared(some: Sequence[MarketSpec], now: Ns) -> int:
        for one in some:
            models.default.score(one.ticker, row, now)
            models.compare(models.default, one, row, Book(one.ticker), now)
        return list(models.default.compared_at.values()).count(now)

    few, now, apart = specs[:COMPARED_MAX], NOW + COMPARED_EVERY, COMPARED_EVERY // COMPARED_MAX
    assert [COMPARED_MAX] * 2 == [compared(few, NOW), compared(few, now)]
    assert [1] * 50 == [compared(specs[number::50], now + number * apart) for number in range(1, 51)]
