"""Whose orders are whose: learned from words that carry both ids, remembered for a while, never guessed."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.orders import Order
from daemon.core.own_orders import OrderBeliefs
from daemon.core.ownership import KEPT, MARKETS_MAX, Ownership
from tests.core.worlds import T0, TICKER


def beliefs(*names: str) -> OrderBeliefs:
    """Beliefs with orders of these client ids."""
    subject = OrderBeliefs("kd-")
    for name in names:
        subject.orders[name] = Order(
            client_order_id=name, ticker=TICKER, side="bid", price=4_000, qty=100, style="rest",
            strategy="s", at=T0, order_id=f"id-{name}", state="resting",
        )  # fmt: skip
    return subject


def test_an_order_of_which_nobody_spoke_is_nobodys() -> None:
    """A fill in a list names an order and no more."""
    assert Ownership("kd-").is_ours("o") is None


def test_words_with_both_ids_tell() -> None:
    """One of ours, one of a person's, and one in our name that we don't know: of that, nothing is said."""
    subject, known = Ownership("kd-"), beliefs("kd-1")
    for order_id, name in (("a", "kd-1"), ("b", "by-hand"), ("c", "kd-9")):
        subject.take_name(known, order_id, name, TICKER, T0)
    assert [True, False, None] == [subject.is_ours(order_id) for order_id in "abc"]
    assert subject.is_shared(TICKER)


def test_our_own_orders_make_no_market_shared() -> None:
    """Only others do."""
    subject = Ownership("kd-")
    subject.take_name(beliefs("kd-1"), "a", "kd-1", TICKER, T0)
    assert not subject.is_shared(TICKER)


def test_lists_tell_of_what_rests_and_of_what_has_ended() -> None:
    """Both carry both ids."""
    subject = Ownership("kd-")
    resting = e.OrderSnapshot("a", "kd-1", TICKER, "bid", 4_000, 0, 100)
    ended = e.EndedOrder("b", "kd-2", TICKER, "executed", 100)
    event = e.AccountReconciled(T0, T0, 0, (), (resting,), (), (TICKER,), (ended,))
    subject.take_list(beliefs("kd-1", "kd-2"), event)
    assert [True, True] == [subject.is_ours("a"), subject.is_ours("b")]


def test_ids_are_forgotten_but_for_open_orders() -> None:
    """Long after the last word, for we place orders as long as we live."""
    subject, known = Ownership("kd-"), beliefs("kd-1")
    subject.take_ours("id-kd-1", T0)
    subject.take_ours("gone", T0)
    subject.sweep(known, T0 + KEPT)
    assert subject.is_ours("gone")
    subject.sweep(known, T0 + 2 * KEPT)
    assert (True, None) == (subject.is_ours("id-kd-1"), subject.is_ours("gone"))


def test_shared_markets_do_not_pile_up() -> None:
    """The ones in which others traded last are kept."""
    subject = Ownership("kd-")
    for number in range(MARKETS_MAX + 1):
        subject.share(str(number), T0)
    assert (False, True) == (subject.is_shared("0"), subject.is_shared("1"))
