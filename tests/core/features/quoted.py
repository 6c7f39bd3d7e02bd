"""Markets of one event with their books and features, for the tests of what they share."""

from __future__ import annotations

import msgspec

from daemon.core.book import Book
from daemon.core.events import BookSnapshotReceived
from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.features.event_inputs import EventInputs
from daemon.core.markets import MarketSpec
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MONEY_ONE, SECOND
from tests.core.features.told import START, market

NAMES = (
    "event_mid_sum", "ladder_rank", "ladder_place", "implied_quantile_10", "implied_quantile_50",
    "implied_quantile_90", "implied_return_50",
)  # fmt: skip


def above(ticker: str, dollars: int, **changes: object) -> MarketSpec:
    """A market that ends YES above a number."""
    asked = {"ticker": ticker, "strike_type": "greater", "structure": "ladder", **changes}
    return msgspec.structs.replace(market(dollars * MONEY_ONE), **asked)


def below(ticker: str, dollars: int, **changes: object) -> MarketSpec:
    """A market that ends YES below a number."""
    return msgspec.structs.replace(
        market(dollars * MONEY_ONE), ticker=ticker, strike_type="less", structure="exclusive", **changes
    )


def between(ticker: str, low: int, high: int, **changes: object) -> MarketSpec:
    """A market that ends YES within a range, a cent short of its upper end."""
    return msgspec.structs.replace(
        market(None),
        ticker=ticker,
        strike_type="between",
        strike_range=(low * MONEY_ONE, high * MONEY_ONE - 10_000),
        structure="exclusive",
        **changes,
    )


class Quotes:
    """The markets of one event; `reference` is their underlying's price."""

    def __init__(self, *specs: MarketSpec) -> None:
        self.event = EventInputs()
        self.reference = ReferenceFeatures()
        self.now = START
        self.books = {spec.ticker: Book(spec.ticker) for spec in specs}
        self.features = {
            spec.ticker: FeatureSet(FeatureSchema(NAMES), spec, self.reference, self.event) for spec in specs
        }

    def quote(self, ticker: str, bid: int, ask: int) -> None:
        """Quote a market: 0 is no bid, 10,000 no ask."""
        self.now += SECOND
        yes = ((bid, 100),) if bid else ()
        no = ((10_000 - ask, 100),) if ask < 10_000 else ()
        self.books[ticker].apply_snapshot(BookSnapshotReceived(ticker, yes, no, self.now, None))
        self.features[ticker].on_book(self.books[ticker], self.now)

    def lose(self, ticker: str) -> None:
        """A book is lost."""
        self.books[ticker].lose("test")
        self.features[ticker].on_book(self.books[ticker], self.now)

    def row(self, ticker: str) -> dict[str, float | None]:
        """What the features of a market say now."""
        return dict(zip(NAMES, self.features[ticker].row(self.now), strict=True))
