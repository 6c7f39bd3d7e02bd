"""The crowd of one market: it quotes both sides, never crosses itself, and follows the fair value."""

from itertools import count

from daemon.core.units import MILLISECOND, SECOND
from daemon.exchange.exchange import Exchange
from daemon.exchange.facts import Fact, LevelChanged, Traded
from daemon.exchange.requests import NewOrder
from daemon.sandbox.flows.agents import BUSY, INFORMED, TAKER, Crowd, maker_name
from daemon.sandbox.flows.schedule import quarter_spec
from daemon.sandbox.flows.spot import seeded

SPEC = quarter_spec(0, 85_000_000_000)


def world(seed: object) -> tuple[Exchange, Crowd]:
    ids = count(1)
    exchange = Exchange(lambda: str(next(ids)))
    for name in (*(maker_name(maker) for maker in range(BUSY.makers)), TAKER, INFORMED):
        exchange.open_account(name, {}, is_house=True)
    exchange.list_market(SPEC, SECOND)
    return exchange, Crowd(SPEC, BUSY, seeded(seed))


def run(exchange: Exchange, crowd: Crowd, fair: float, seconds: int, start: int = 1) -> list[Fact]:
    facts: list[Fact] = []
    for step in range(seconds * 20):
        now = start * SECOND + (step + 1) * 50 * MILLISECOND
        facts += crowd.act(exchange, fair, 0.05, now)
    return facts


def test_it_opens_with_a_book_on_both_sides() -> None:
    """From the first moment there is a bid, an ask, and depth behind them."""
    exchange, crowd = world("open")
    crowd.open_books(exchange, 0.5, SECOND)
    book = exchange.markets[SPEC.ticker].book

    assert book.bid is not None
    assert book.ask is not None
    assert book.bid < book.ask
    assert len(book.levels("yes")) > 5
    assert len(book.levels("no")) > 5


def test_levels_and_deltas_add_up() -> None:
    """Whoever adds the deltas up has the book that the exchange shows, never crossed on the way."""
    exchange, crowd = world("deltas")
    facts = crowd.open_books(exchange, 0.5, SECOND) + run(exchange, crowd, 0.5, 20)
    sizes: dict[tuple[str, int], int] = {}
    for fact in facts:
        if isinstance(fact, LevelChanged):
            key = (fact.side, fact.price)
            sizes[key] = sizes.get(key, 0) + fact.delta
            assert sizes[key] >= 0
    book = exchange.markets[SPEC.ticker].book

    assert {key: size for key, size in sizes.items() if size} == {
        (side, price): size for side in ("yes", "no") for price, size in book.levels(side)
    }


def test_quotes_follow_the_fair_value_late() -> None:
    """A jump of the fair value isn't in the quotes at once, and is there ten seconds later."""
    exchange, crowd = world("late")
    crowd.open_books(exchange, 0.4, SECOND)
    book = exchange.markets[SPEC.ticker].book
    run(exchange, crowd, 0.4, 5)
    before = book.bid
    crowd.act(exchange, 0.6, 0.05, 7 * SECOND)
    assert before is not None
    assert book.bid is not None
    assert abs(book.bid - before) < 600
    run(exchange, crowd, 0.6, 10, start=7)

    assert book.bid is not None
    assert 5300 <= book.bid <= 6500


def test_informed_takers_punish_a_foolish_order() -> None:
    """An offer far below the fair value is bought within seconds."""
    exchange, crowd = world("informed")
    exchange.open_account("fool", {2: 10**12})
    crowd.open_books(exchange, 0.5, SECOND)
    exchange.place(NewOrder("fool", SPEC.ticker, "ask", 2000, 10_000), SECOND)
    run(exchange, crowd, 0.5, 30)

    assert 0 > exchange.accounts["fool"].qty(SPEC.ticker)


def test_makers_alone_never_trade() -> None:
    """Every trade has a taker: makers place what would cross a tick behind."""
    exchange, crowd = world("post-only")
    facts = crowd.open_books(exchange, 0.5, SECOND)
    for fair in (0.3, 0.7, 0.5):
        facts += crowd.open_books(exchange, fair, 2 * SECOND)

    assert [] == [fact for fact in facts if isinstance(fact, Traded)]


def test_nobody_acts_in_the_last_second() -> None:
    """Orders near the close would race it."""
    exchange, crowd = world("close")

    assert [] == crowd.act(exchange, 0.5, 0.05, SPEC.close_at - 10 * MILLISECOND)


def test_no_order_is_lost_over_a_pause() -> None:
    """What couldn't be cancelled while the exchange was paused is looked after when it goes on."""
    exchange, crowd = world("pause")
    crowd.open_books(exchange, 0.5, SECOND)
    exchange.pause(SECOND, is_trading_only=False)
    run(exchange, crowd, 0.7, 10)
    exchange.resume(11 * SECOND)
    run(exchange, crowd, 0.7, 30, start=11)
    makers = [maker_name(maker) for maker in range(BUSY.makers)]
    resting = {order_id for name in makers for order_id in exchange.accounts[name].orders}
    assert resting == {slot.order_id for slot in crowd._slots if slot.order_id in resting}
