"""The book's flow by hand; against its twins in test_catalogue and test_parity."""

from __future__ import annotations

from daemon.core.units import SECOND
from tests.core.features.told import Told, two_sided


def test_messages_of_a_window_without_the_one_that_began_it() -> None:
    """Three deltas in ten seconds, one of them behind the best price."""
    told = Told()
    two_sided(told)
    for price in (4_000, 4_000, 3_000):
        told.now += 3 * SECOND
        told.delta("yes", price, 100)
    assert told.row()["message_rate_10s"] is None
    told.now += SECOND
    assert told.row()["message_rate_10s"] == 0.3
    told.now += 60 * SECOND
    assert told.row()["message_rate_10s"] == 0.0


def test_what_no_trade_explains_was_cancelled() -> None:
    """Of eight contracts that went, two were traded; more trades than that are no negative share."""
    told = Told()
    told.connect()
    two_sided(told)
    told.now += 10 * SECOND
    assert told.row()["cancel_share_10s"] is None
    told.delta("yes", 4_000, -500)
    told.delta("no", 5_800, -300)
    told.trade(200, "yes")
    assert told.row()["cancel_share_10s"] == 0.75
    told.trade(900, "yes")
    assert told.row()["cancel_share_10s"] == 0.0


def test_ages_by_hand() -> None:
    """A message behind the best price is news of the book, not of its top; a first book's age isn't known."""
    told = Told()
    two_sided(told)
    told.now += SECOND
    assert (told.row()["book_age"], told.row()["top_age"]) == (1.0, None)
    told.delta("yes", 4_000, 100)
    told.now += 2 * SECOND
    told.delta("yes", 3_000, 100)
    told.now += 4 * SECOND
    assert (told.row()["book_age"], told.row()["top_age"]) == (4.0, 6.0)
    told.lose()
    assert (told.row()["book_age"], told.row()["top_age"]) == (None, None)
