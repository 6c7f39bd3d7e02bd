"""Peers: the other markets of the event and of the strategy's series, as they are now, in a fixed order."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.asking import Slot
from daemon.core.peers import PeerIndex, WatchedPeers
from daemon.core.state import State
from daemon.core.strategy import Peer
from daemon.core.units import SECOND, Ns
from tests.core.worlds import SCHEMA, T0, TICKER, Scripted, snapshot, spec

OTHER = "KXBTC15M-26SEP251530-15"
LATER = "KXBTC15M-26SEP251545-30"
ELSEWHERE = "KXETHD-26SEP2517-T4000"


class World:
    """Beliefs with some markets, listed out of order."""

    def __init__(self) -> None:
        self.state = State(SCHEMA, "kd-")
        for ticker in (LATER, TICKER, OTHER):
            self.list(ticker)
        self.list(ELSEWHERE, series_ticker="KXETHD")
        self.scores: dict[tuple[str, str], float] = {}
        self.index = PeerIndex(self.state, lambda strategy, ticker: self.scores.get((strategy, ticker)))

    def list(self, ticker: str, **changes: object) -> None:
        """The venue lists a market."""
        self.state.apply(e.MarketListed(spec(ticker, **changes), T0))

    def peers(self, *series: str, changed_max: Ns | None = None, now: Ns = T0) -> WatchedPeers:
        """What a strategy of these series sees beside TICKER."""
        traded = series or ("KXBTC15M",)
        name = "-".join(traded)
        return WatchedPeers(
            self.index, name, lambda one: one.series_ticker in traded, spec(), changed_max, now
        )


def names(peers: tuple[Peer, ...]) -> list[str]:
    """Their tickers."""
    return [peer.spec.ticker for peer in peers]


def test_an_event_is_its_other_markets() -> None:
    """Not the view's own, and no other event's."""
    assert [OTHER] == names(World().peers().of_event())


def test_a_series_is_all_that_the_strategy_trades() -> None:
    """By ticker, over all its series; not the view's own."""
    world = World()
    assert [OTHER, LATER] == names(world.peers().of_series())
    assert sorted([OTHER, LATER, ELSEWHERE]) == names(world.peers("KXBTC15M", "KXETHD").of_series())


def test_a_strategy_with_other_markets_sees_their_peers() -> None:
    """A reload may bring a strategy back under its name with another series; nothing is listed by that."""
    world = World()

    def seen(strategy: str, *series: str) -> list[str]:
        traded = Slot(Scripted(), frozenset(series)).trades
        return names(WatchedPeers(world.index, strategy, traded, spec(), None, T0).of_series())

    assert [OTHER, LATER] == seen("alpha", "KXBTC15M")
    assert [ELSEWHERE] == seen("alpha", "KXETHD")


def test_a_peer_is_as_it_is_now() -> None:
    """Best prices and sizes, what the account holds, and this strategy's own score."""
    world = World()
    (before,) = world.peers().of_event()
    assert (None, None, 0, None) == (before.bid, before.ask, before.position, before.score)
    world.state.apply(e.FeedConnected("kalshi", T0))
    world.state.apply(snapshot(T0, OTHER))
    world.state.apply(e.OrderFilled("t", "o", None, OTHER, "ask", 4_000, 700, 0, True, T0, None))
    world.scores = {("KXBTC15M", OTHER): 0.25, ("beta", OTHER): 0.75}
    (peer,) = world.peers().of_event()
    assert (4_000, 4_200, 40_000, 30_000, -700, 0.25) == (
        peer.bid, peer.ask, peer.bid_size, peer.ask_size, peer.position, peer.score
    )  # fmt: skip


def test_a_peer_that_can_not_be_scored_now_has_no_score() -> None:
    """Its last one may be hours old: of before its book was lost, or its market shut."""
    world = World()
    world.state.apply(e.FeedConnected("kalshi", T0))
    world.state.apply(snapshot(T0, OTHER))
    world.scores = {("KXBTC15M", OTHER): 0.25}
    found = [world.peers().of_event()[0].score]
    world.state.apply(e.BookLost(OTHER, "gap", T0 + SECOND))
    found.append(world.peers().of_event()[0].score)
    world.state.apply(snapshot(T0 + 2 * SECOND, OTHER))
    world.state.apply(e.MarketStatusChanged(OTHER, "inactive", T0 + 3 * SECOND))
    found.append(world.peers().of_event()[0].score)
    assert [0.25, None, None] == found


def test_a_score_of_a_book_that_stands_still_is_none() -> None:
    """A strategy isn't asked about such a market, so it is scored no more: the last one is old."""
    world = World()
    world.state.apply(e.FeedConnected("kalshi", T0))
    world.state.apply(snapshot(T0, OTHER))
    world.scores = {("KXBTC15M", OTHER): 0.25}
    found = []
    for changed_max, later in ((SECOND, SECOND), (SECOND, SECOND + 1), (None, 600 * SECOND)):
        (peer,) = world.peers(changed_max=changed_max, now=T0 + later).of_event()
        found.append(peer.score)
    assert [0.25, None, 0.25] == found


def test_markets_come_and_go() -> None:
    """The index follows, also where one goes and another comes between two questions."""
    world = World()
    assert [OTHER] == names(world.peers().of_event())
    third = "KXBTC15M-26SEP251530-45"
    world.list(third)
    world.state.apply(e.MarketDropped(OTHER, T0 + SECOND))
    assert [third] == names(world.peers().of_event())
    world.state.forget_unwatched()
    assert [third] == names(world.peers().of_event())
