"""One watched market: what it is, its book, its features, and its life from listing to settlement."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemon.core import events as e
from daemon.core.book import Book
from daemon.core.features import FeatureSet
from daemon.core.features.event_inputs import EventInputs
from daemon.core.markets import MarketSpec
from daemon.core.reference import Spot
from daemon.core.risk import FeedHealth, Refusal
from daemon.core.scorer import FeatureSchema
from daemon.core.units import Ns, Price, PriceGrid

TermsChanged: TypeAlias = (
    e.MarketStatusChanged | e.MarketCloseMoved | e.MarketGridChanged | e.MarketStrikeSet | e.MarketDetermined
)
"""What changes a market's listing in mid-life."""


class Market:
    """The beliefs about one market. `feed` is the connection over which its book and trades come."""

    __slots__ = (
        "audit_differences", "book", "decided_at", "features", "feed", "grid", "is_backfill_due",
        "is_closed_by_clock", "is_settled", "is_unwatched", "settlement_price", "spec", "spot",
    )  # fmt: skip

    def __init__(
        self,
        spec: MarketSpec,
        schema: FeatureSchema,
        spot: Spot,
        feed: FeedHealth,
        event: EventInputs | None = None,
        releases: tuple[Ns, ...] = (),
    ) -> None:
        self.spec = spec
        self.grid = PriceGrid(spec.bands)
        self.book = Book(spec.ticker)
        self.spot = spot
        self.features = FeatureSet(schema, spec, spot, event, releases)
        self.feed = feed
        self.settlement_price: Price | None = None
        """What one YES contract pays; None until determined."""
        self.decided_at: Ns = 0
        """When it was last decided; 0 before the first time."""
        self.is_settled = False
        self.is_unwatched = False
        """Whether it is to be forgotten as soon as nothing of ours is left in it."""
        self.is_closed_by_clock = False
        """Whether its status is closed because its time was over, and not by the venue's word."""
        self.is_backfill_due = False
        """Whether the past that we missed of it is still being read."""
        self.audit_differences = 0
        """How many audits in a row found another book at the venue."""

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing new may be sent to it whatever its book says; None when nothing speaks against it."""
        if self.is_unwatched:
            return "not_watched"
        return "not_backfilled" if self.is_backfill_due else None

    def relist(self, spec: MarketSpec) -> None:
        """Take the listing as it is now, instead of what we knew; a strike that is known stays known.

        Lists run behind the stream, which tells a strike half a second after the open.
        """
        if spec.strike is None:
            spec = msgspec.structs.replace(spec, strike=self.spec.strike)
        self.spec = spec
        self.grid = PriceGrid(spec.bands)
        self.features.on_spec(spec)
        self.is_closed_by_clock = False

    def change(self, event: TermsChanged) -> None:
        """Take one change of the listing."""
        match event:
            case e.MarketStatusChanged():
                self._respec(status=event.status)
                self.is_closed_by_clock = False
            case e.MarketCloseMoved():
                self._respec(close_at=event.close_at)
                if self.is_closed_by_clock and event.close_at > event.received_at:
                    self.is_closed_by_clock = False
                    self._respec(status="active")
            case e.MarketGridChanged():
                # Orders of ours that are off the new grid are left to the venue; new prices obey it.
                self._respec(bands=event.bands)
            case e.MarketStrikeSet():
                self._respec(strike=event.strike)
            case e.MarketDetermined():
                self.settlement_price = event.settlement_price
                self._respec(status="determined")

    def settle(self) -> None:
        """It was paid out."""
        self.is_settled = True
        self._respec(status="finalized")

    def open_by_clock(self, now: Ns) -> None:
        """Open and close have no event at this venue: they are clocks."""
        spec = self.spec
        if spec.status == "active":
            if now >= spec.close_at:
                self._respec(status="closed")
                self.is_closed_by_clock = True
        elif spec.status == "initialized" and spec.open_at <= now < spec.close_at:
            self._respec(status="active")

    def lose_book(self, reason: str, at: Ns) -> bool:
        """Unsync the book until its next snapshot; False if it was unsynced before."""
        was_synced = self.book.is_synced
        self.book.lose(reason)
        self.features.on_book(self.book, at)
        self.audit_differences = 0
        return was_synced

    def take_audit(self, event: e.BookAudited, differences_max: int) -> bool:
        """Take an audit's verdict; True when so many in a row were unequal that the book is not believed.

        A verdict on a book that is lost meanwhile says nothing.
        """
        if event.is_equal or not self.book.is_synced:
            self.audit_differences = 0
            return False
        self.audit_differences += 1
        return self.audit_differences >= differences_max

    def _respec(self, **changes: object) -> None:
        self.spec = msgspec.structs.replace(self.spec, **changes)
        self.grid = PriceGrid(self.spec.bands)
        self.features.on_spec(self.spec)
