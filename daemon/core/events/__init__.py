"""Everything that can happen to the daemon, one fact per struct: the core's only input, and the journal.

Rules: past tense; frozen; whole. `received_at` is our clock, `sent_at` the exchange's; a subtraction
of the two contains the skew between the clocks. A field that isn't known is None. Structs are encoded
as arrays, so a new field goes to the end and has a default: old journals stay readable.
"""

from __future__ import annotations

from typing import TypeAlias

from daemon.core.events.account import (
    AccountDoubted,
    AccountReconciled,
    CashFlow,
    CashFlowsRead,
    DayRecovered,
    EndedOrder,
    FillsRead,
    FlattenRequested,
    HaltRequested,
    OrderAccepted,
    OrderDropped,
    OrderFilled,
    OrderGroupTold,
    OrderRecovered,
    OrderRejected,
    OrderSnapshot,
    OrderUnknown,
    OrderUpdated,
    PositionSnapshot,
    QueuePlace,
    QueuePlacesRead,
    ReadingRequested,
    ResumeRequested,
    SettlementCorrected,
    SettlementsRead,
    SettlementTold,
    StopRequested,
    StrategySwitched,
    VenueAnswered,
    VenueFailed,
)
from daemon.core.events.config import ConfigChanged
from daemon.core.events.connections import (
    ChannelQuieted,
    FeedConnected,
    FeedDropped,
    FeedHeard,
    FrameRefused,
    TradesLost,
)
from daemon.core.events.fact import (
    Fact,
    Feed,
    Level,
    OrderAction,
    OrderStatus,
)
from daemon.core.events.models import ModelSwapped
from daemon.core.events.quotes import (
    BookAudited,
    BookDeltaReceived,
    BookLost,
    BookSnapshotReceived,
    CandleBackfilled,
    DailyBarRead,
    MarketBackfilled,
    MarketRouted,
    ReferenceCandleClosed,
    ReferencePriceReceived,
    ReferenceStatusTold,
    TradePrinted,
    TradesBackfilled,
)
from daemon.core.events.venue import (
    ExchangeStatusTold,
    MaintenancePlanned,
    MarketCloseMoved,
    MarketDetermined,
    MarketDropped,
    MarketGridChanged,
    MarketListed,
    MarketSettled,
    MarketStatusChanged,
    MarketStrikeSet,
    ShardStatus,
)

Event: TypeAlias = (
    BookDeltaReceived
    | BookSnapshotReceived
    | TradePrinted
    | ReferencePriceReceived
    | FeedHeard
    | FeedConnected
    | FeedDropped
    | BookLost
    | CandleBackfilled
    | MarketListed
    | MarketStatusChanged
    | MarketCloseMoved
    | MarketGridChanged
    | MarketStrikeSet
    | MarketDetermined
    | MarketSettled
    | MarketDropped
    | OrderAccepted
    | OrderRejected
    | OrderUnknown
    | OrderDropped
    | OrderUpdated
    | OrderFilled
    | AccountReconciled
    | AccountDoubted
    | VenueFailed
    | VenueAnswered
    | HaltRequested
    | ResumeRequested
    | StopRequested
    | FrameRefused
    | ChannelQuieted
    | TradesLost
    | MarketRouted
    | TradesBackfilled
    | MarketBackfilled
    | BookAudited
    | ReferenceCandleClosed
    | ReferenceStatusTold
    | ExchangeStatusTold
    | MaintenancePlanned
    | OrderRecovered
    | FillsRead
    | QueuePlacesRead
    | OrderGroupTold
    | FlattenRequested
    | ReadingRequested
    | SettlementsRead
    | SettlementCorrected
    | CashFlowsRead
    | ModelSwapped
    | StrategySwitched
    | DailyBarRead
    | DayRecovered
    | ConfigChanged
)

__all__ = [
    "AccountDoubted",
    "AccountReconciled",
    "BookAudited",
    "BookDeltaReceived",
    "BookLost",
    "BookSnapshotReceived",
    "CandleBackfilled",
    "CashFlow",
    "CashFlowsRead",
    "ChannelQuieted",
    "ConfigChanged",
    "DailyBarRead",
    "DayRecovered",
    "EndedOrder",
    "Event",
    "ExchangeStatusTold",
    "Fact",
    "Feed",
    "FeedConnected",
    "FeedDropped",
    "FeedHeard",
    "FillsRead",
    "FlattenRequested",
    "FrameRefused",
    "HaltRequested",
    "Level",
    "MaintenancePlanned",
    "MarketBackfilled",
    "MarketCloseMoved",
    "MarketDetermined",
    "MarketDropped",
    "MarketGridChanged",
    "MarketListed",
    "MarketRouted",
    "MarketSettled",
    "MarketStatusChanged",
    "MarketStrikeSet",
    "ModelSwapped",
    "OrderAccepted",
    "OrderAction",
    "OrderDropped",
    "OrderFilled",
    "OrderGroupTold",
    "OrderRecovered",
    "OrderRejected",
    "OrderSnapshot",
    "OrderStatus",
    "OrderUnknown",
    "OrderUpdated",
    "PositionSnapshot",
    "QueuePlace",
    "QueuePlacesRead",
    "ReadingRequested",
    "ReferenceCandleClosed",
    "ReferencePriceReceived",
    "ReferenceStatusTold",
    "ResumeRequested",
    "SettlementCorrected",
    "SettlementTold",
    "SettlementsRead",
    "ShardStatus",
    "StopRequested",
    "StrategySwitched",
    "TradePrinted",
    "TradesBackfilled",
    "TradesLost",
    "VenueAnswered",
    "VenueFailed",
]
