"""What goes wrong at the venue, and which alerts follow: its streams, its books, its answers, its pauses."""

from __future__ import annotations

from collections.abc import Iterator

from tests.e2e.provocation import provokes
from tests.e2e.venue_rig import EVENT
from tests.e2e.ward import DAY_MS, Meddler, Ward

ORDERS = "*/portfolio/events/orders*"
LISTS = "*/portfolio/*"


# --- the stream ----------------------------------------------------------------------------------


@provokes("stream", "KalshidFramesRefused")
def _unknown(ward: Ward) -> Iterator[None]:
    """Three frames of a type that nobody knows."""
    ward.fault("unknown_type", channel="orderbook_delta", next=3)
    yield
    ward.heal()


@provokes("stream", "KalshidFeedLagging")
def _late(ward: Ward) -> Iterator[None]:
    """Every frame comes 1.2 s late."""
    ward.fault("delay", channel="*", stream="kalshi", ms=1200)
    yield
    ward.heal()


@provokes("stream", "KalshidClockSkewed")
def _skewed(ward: Ward) -> Iterator[None]:
    """The exchange's clock goes 3 s wrong."""
    ward.fault("clock_skew", ms=3000)
    yield
    ward.heal()


@provokes("stream", "KalshidGapStorm")
def _gaps(ward: Ward) -> Iterator[None]:
    """Every tenth book message is lost."""
    ward.fault("drop", channel="orderbook_delta", probability=0.1)
    yield
    ward.heal()


@provokes("stream", "KalshidChannelQuiet")
def _quiet(ward: Ward) -> Iterator[None]:
    """The index's values do not come any more, while the books go on."""
    ward.fault("drop", channel="cfbenchmarks_value")
    yield
    ward.heal()


@provokes("stream", "KalshidSchemaDrift")
def _drift(ward: Ward) -> Iterator[None]:
    """Ten frames of a type that nobody knows, where five a minute are borne."""
    ward.fault("unknown_type", channel="orderbook_delta", next=10)
    yield
    ward.heal()


@provokes("stream", "KalshidFeedDown", "KalshidFeedFlapping", within_s=90)
def _flaps(ward: Ward) -> Iterator[None]:
    """Every connection is cut as soon as it is made."""
    ward.fault("cut", stream="kalshi")
    yield
    ward.heal()


# --- books, reads and the reference --------------------------------------------------------------


@provokes("books", "KalshidReferenceFailedOver")
def _kraken(ward: Ward) -> Iterator[None]:
    """Kraken says that it is in maintenance."""
    ward.call("/reference/system", system="maintenance")
    yield
    ward.call("/reference/system", system="online")


@provokes("books", "KalshidReferenceNone")
def _no_reference(ward: Ward) -> Iterator[None]:
    """Kraken says that it is in maintenance, and the index is not told either."""
    ward.call("/reference/system", system="maintenance")
    ward.fault("drop", channel="cfbenchmarks_value")
    yield
    ward.call("/reference/system", system="online")
    ward.heal()


@provokes("books", "KalshidBookAuditUnequal", "KalshidBookAuditFailed")
def _stale_books(ward: Ward) -> Iterator[None]:
    """The venue's REST books stand still while the streamed ones move."""
    ward.fault("stale_read", path="*/orderbook*")
    yield
    ward.heal()


@provokes("books", "KalshidBooksUnsynced")
def _no_snapshots(ward: Ward) -> Iterator[None]:
    """The books' channel ends, and every command to begin it again times out."""
    ward.fault("command_error", code=18)
    ward.fault("channel_error", channel="orderbook_delta")
    yield
    ward.heal()


@provokes("books", "KalshidBackfillStuck")
def _no_past(ward: Ward) -> Iterator[None]:
    """The connection is cut every six seconds, and what was missed can't be read: no list answers."""
    for path in ("*/markets/trades*", "*candlesticks*"):
        ward.fault("hang", path=path)
    with Meddler(lambda: ward.fault("cut", stream="kalshi", next=1), 6):
        yield
    ward.heal()


@provokes("books", "KalshidMarketsUnplaced")
def _no_room(ward: Ward) -> Iterator[None]:
    """New markets are listed, and the venue says of every subscription that it holds too many."""
    ward.fault("command_error", code=26)
    ward.call("/markets", series_ticker="KXTEST", event_ticker=f"{EVENT}-FULL", count=3, closes_in_ms=DAY_MS)
    yield
    ward.heal()


# --- the venue as a whole ------------------------------------------------------------------------


@provokes("venue", "KalshidReadsLimited")
def _reads_429(ward: Ward) -> Iterator[None]:
    """Three reads are refused for want of tokens."""
    ward.fault("http_429", method="GET", path=LISTS, next=3)
    yield
    ward.heal()


@provokes("venue", "KalshidOrdersLimited")
def _orders_429(ward: Ward) -> Iterator[None]:
    """Two order requests are refused for want of tokens."""
    ward.fault("http_429", method="POST", path=ORDERS, next=2)
    yield
    ward.heal()


@provokes("venue", "KalshidBreakerOpen")
def _unanswered(ward: Ward) -> Iterator[None]:
    """Orders, and the lists of the account, are answered 503."""
    ward.fault("http_503", path=LISTS)
    yield
    ward.heal()


@provokes("venue", "KalshidExchangePaused")
def _paused(ward: Ward) -> Iterator[None]:
    """Trading is paused, outside of any maintenance."""
    ward.call("/exchange/pause", what="trading")
    yield
    ward.call("/exchange/resume")


@provokes("venue", "KalshidNotTrading")
def _no_account(ward: Ward) -> Iterator[None]:
    """It is started anew while the account's lists are answered 503."""
    ward.fault("http_503", path=LISTS)
    ward.restart()
    yield
    ward.heal()


@provokes("venue", "KalshidNothingWatched")
def _nothing(ward: Ward) -> Iterator[None]:
    """It is started anew with a filter that no market passes."""
    ward.restart({"markets": {"volume_24h_min": "1000000"}})
    yield
    ward.restart()


@provokes("venue", "KalshidReadsQueued", within_s=90)
def _too_much_to_read(ward: Ward) -> Iterator[None]:
    """Sixty series are watched with the smallest read budget, every second."""
    series = ", ".join(f'"KXT{number}"' for number in range(60))
    ward.call("/account/tier", tier="basic")
    ward.restart({"markets": {"series": f'["KXTEST", {series}]'}})
    yield
    ward.call("/account/tier", tier="prestige")
    ward.restart()


# --- what takes as long as it takes: ages in seconds are not shortened ----------------------------


@provokes("patience", "KalshidFeedSilent", within_s=90)
def _silent(ward: Ward) -> Iterator[None]:
    """The connection stays, and nothing flows; the daemon is told to bear that for long."""
    ward.fault("half_open", stream="kalshi")
    yield
    ward.heal()


@provokes("patience", "KalshidOrderUnresolved", within_s=90)
def _unknown_order(ward: Ward) -> Iterator[None]:
    """Every order request and every list of orders hangs, and the private stream says nothing."""
    ward.fault("hang", path=ORDERS, when="after")
    ward.fault("drop_private")
    ward.fault("hang", path="*/portfolio/orders*")
    yield
    ward.heal()


@provokes("patience", "KalshidReconcileStale", within_s=240)
def _unread(ward: Ward) -> Iterator[None]:
    """The account's lists are answered 503, until three minutes are over."""
    ward.fault("http_503", path=LISTS, method="GET")
    yield
    ward.heal()
