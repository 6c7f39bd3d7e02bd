"""The view: copies that say what the core believes, bounded, and unknown is None."""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.units import HOUR, MILLISECOND, MINUTE, Ns
from daemon.shell.metrics import Metrics
from daemon.shell.page.decided import Decided
from daemon.shell.page.view import (
    LEVELS,
    MARKETS_SHOWN,
    AccountView,
    Words,
    account_view,
    choose_markets,
    market_view,
)
from daemon.shell.queue_places import Place
from tests.core.worlds import NOW, T0, TICKER, Scripted, engine, snapshot, spec
from tests.shell.beliefs import FEE, LATER, SECOND_TICKER, lived

WORDS = Words(is_latched=False, unready=None, notes=("a note",), frames=9)


def seen(subject: Engine, now: Ns = LATER) -> AccountView:
    """The account, with all markets that are to be shown."""
    decided = Decided()
    decided.take(subject.decisions)
    return account_view(subject, Metrics(), decided, choose_markets(subject.state, now), WORDS, now)


def test_the_account_is_as_the_core_believes() -> None:
    """Money, positions, markets, what was done or refused newest first."""
    subject = lived()
    subject.scores[TICKER] = 0.43
    view = seen(subject)
    assert (LATER // MILLISECOND, "trading", None, ("a note",)) == (
        view.at,
        view.phase,
        view.halt,
        view.notes,
    )
    assert (subject.state.ledger.cash, FEE, 1, 1) == (view.cash, view.fees, view.fills, view.orders)
    (position,) = view.positions
    assert (TICKER, 400, 400 * 4_000, 400 * 4_100, 0, FEE) == msgspec.structs.astuple(position)
    first, second = view.markets
    assert (TICKER, True, 4_000, 4_200, 0.43, 400, 1) == (
        first.ticker, first.is_synced, first.bid, first.ask, first.score, first.position, first.orders,
    )  # fmt: skip
    assert (SECOND_TICKER, False, None, None, None, 0) == (
        second.ticker, second.is_synced, second.bid, second.ask, second.score, second.position,
    )  # fmt: skip
    outcomes = [one.outcome for one in view.decisions]
    assert "idle" not in outcomes
    assert ("refused", "place") == (outcomes[0], outcomes[-1])
    assert (("qty_out_of_range", 1),) == view.refusals


def test_before_anything_is_known_nothing_is_guessed() -> None:
    """No cash, no P&L, no price is null, never zero."""
    subject = engine(Scripted())
    subject.handle(e.MarketListed(spec(), T0))
    view = seen(subject, T0)
    assert [None, None, None] == [view.cash, view.equity, view.pnl]
    assert [None, None, None] == [view.markets[0].bid, view.markets[0].ask, view.markets[0].score]


def test_the_ladder_is_the_yes_view_best_price_first() -> None:
    """A NO bid at q is a YES ask at 1 - q; our orders stand there, with their place where it is known."""
    subject = lived()
    order = next(iter(subject.state.orders.values()))
    assert order.order_id is not None
    moving = market_view(subject, Decided(), TICKER, {Place(order.order_id, TICKER, 4_000): 700}, LATER)
    assert ("amending", None) == (moving.orders[0].state, moving.orders[0].ahead)
    taken = e.OrderAccepted("amend", order.client_order_id, order.order_id, 400, 1_000, LATER, LATER)
    subject.handle(taken)
    view = market_view(subject, Decided(), TICKER, {Place(order.order_id, TICKER, 4_000): 700}, LATER)
    assert ((4_000, 40_000), (3_900, 50_000)) == view.bids
    assert ((4_200, 30_000), (4_300, 50_000)) == view.asks
    (own,) = view.orders
    assert ("bid", 4_000, 1_000, "resting", 700) == (own.side, own.price, own.remaining, own.state, own.ahead)
    elsewhere = market_view(subject, Decided(), TICKER, {Place(order.order_id, TICKER, 3_900): 700}, LATER)
    assert None is elsewhere.orders[0].ahead


def test_a_market_that_is_not_watched_is_shown_as_none() -> None:
    """Whatever a browser asks for."""
    for ticker in (None, "", "nobody's"):
        view = market_view(lived(), Decided(), ticker, {}, LATER)
        assert (None, (), (), None, ()) == (view.ticker, view.bids, view.asks, view.mid, view.orders)


def test_what_is_shown_is_bounded_however_much_is_watched() -> None:
    """A thousand markets, a deep book: so many lines, so many levels; ours first, what is over last."""
    subject = lived()
    for number in range(1_000):
        close_at = NOW - MINUTE if number < 100 else NOW + HOUR + number
        subject.handle(e.MarketListed(spec(f"KXBTC15M-X-{number}", close_at=close_at), NOW))
    levels = tuple((price, 100) for price in range(100, 4_100, 100))
    subject.handle(snapshot(LATER, yes=levels))
    shown = choose_markets(subject.state, LATER)
    assert (MARKETS_SHOWN, TICKER) == (len(shown), shown[0])
    assert not {f"KXBTC15M-X-{number}" for number in range(100)} & set(shown)
    view = seen(subject)
    assert (MARKETS_SHOWN, 1_002) == (len(view.markets), view.markets_total)
    assert LEVELS == len(market_view(subject, Decided(), TICKER, {}, LATER).bids)
    assert len(msgspec.json.encode(view)) < 64 * 1024


def test_the_view_is_a_copy() -> None:
    """What the core does next changes nothing in it."""
    subject = lived()
    view, market = seen(subject), market_view(subject, Decided(), TICKER, {}, LATER)
    before = (msgspec.json.encode(view), msgspec.json.encode(market))
    subject.handle(snapshot(LATER + 1, yes=((100, 1),), no=((200, 1),)))
    subject.handle(e.HaltRequested("enough", LATER + 1, "page"))
    subject.decide(LATER + 1)
    assert before == (msgspec.json.encode(view), msgspec.json.encode(market))
