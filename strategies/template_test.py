"""What the strategy promises, on a book that is written here. `pytest` in this folder runs it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from daemon.core.book import Book
from daemon.core.events import BookSnapshotReceived
from daemon.core.markets import Fees, MarketSpec
from daemon.core.strategy import MarketView, Strategy
from daemon.core.units import HOUR, MONEY_ONE, QTY_ONE, PriceBand, PriceGrid
from daemon.strategy_files import load_file

NOW = 1_790_366_100_000_000_000
SPEC = MarketSpec(
    ticker="KXTEST-1-T1",
    event_ticker="KXTEST-1",
    series_ticker="KXTEST",
    title="Will it?",
    status="active",
    open_at=NOW - HOUR,
    close_at=NOW + HOUR,
    strike=None,
    strike_type=None,
    bands=(PriceBand(0, 10_000, 100),),
    fees=Fees("quadratic", 1_000_000),
    exchange_index=0,
)


def strategy(**params: object) -> Strategy:
    """The strategy, loaded as the daemon loads it, with these parameters."""
    found = load_file(Path(__file__).with_name("template.py"))
    return found.build(msgspec.convert(params, found.params))


def view(score: float | None, own_position: int = 0) -> MarketView:
    """A market with 40 bid and 42 asked, and what the model says of it."""
    book = Book(SPEC.ticker)
    book.apply_snapshot(BookSnapshotReceived(SPEC.ticker, ((4_000, 50_000),), ((5_800, 50_000),), NOW, NOW))
    return MarketView(
        now=NOW,
        spec=SPEC,
        grid=PriceGrid(SPEC.bands),
        book=book,
        features={"spread": 0.02},
        score=score,
        missing=(),
        position=own_position,
        equity=1_000 * MONEY_ONE,
        own_position=own_position,
    )


def test_it_rests_below_the_models_value() -> None:
    """At 50% and a margin of 10 cents it bids 40, one order of the size that is asked for."""
    (target,) = strategy(margin=0.10, order_contracts=7).wants(view(0.50)).targets
    assert (target.side, target.price, target.qty, target.style) == ("bid", 4_000, 7 * QTY_ONE, "rest")
    assert target.reason == "edge 10.0c in a spread of 2.0c"


def test_it_never_crosses_the_book() -> None:
    """However sure the model is: it waits one cent below the ask."""
    (target,) = strategy().wants(view(0.90)).targets
    assert target.price == 4_100


def test_it_wants_nothing_without_a_score() -> None:
    """While features warm up there is none."""
    assert strategy().wants(view(None)).targets == ()


def test_it_stops_at_its_position() -> None:
    """Its own, whatever other strategies hold."""
    assert strategy(position_contracts_max=5).wants(view(0.90, own_position=5 * QTY_ONE)).targets == ()
