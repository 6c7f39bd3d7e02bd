"""The invariants by their names, and what is raised when one does not hold."""

from __future__ import annotations

from typing import Final

NAMES: Final = {
    "one_order_per_intent": "1: an order at the exchange has the id of one recorded intent, and no other has",
    "live_orders_are_known": "2: an order that lives at the exchange is never believed to be over",
    "ends_are_true": "2: an order that is believed over ended so at the exchange, having traded as much",
    "terms_are_true": "2: a resting order has the price and count that it is believed to have",
    "nothing_new_past_unknown": "2: nothing new is sent on a market with an unknown order",
    "account_is_exact": "3: cash, positions and fees equal the exchange's whenever nothing is in flight",
    "fills_are_booked_once": "3: no more is booked of an order than has traded",
    "loss_within_limits": "4: the worst case, with all that rests or is in flight, exceeds no limit",
    "sent_only_when_vouched": "5: nothing is sent that is not vouched for at that moment",
    "synced_books_are_true": "5: a book that is vouched for is the exchange's",
    "orders_within_intents": "6: no more orders go out than there are intents",
    "recorded_before_sent": "6: what is sent is on the disk before",
    "cancels_go_first": "a new order does not pass a cancel that was decided before it",
    "halt_holds": "7: after a halt nothing is sent that could make exposure grow",
    "rests_behind_second_line": "what rests expires by itself, and what enters is in an order group",
    "comes_to_rest": "8: once faults stop, every intent ends and all beliefs are true within a bounded time",
    "trades_again": "8: once faults stop it trades again, unless it is halted for a stated reason",
    "no_part_fails": "no part of the daemon ends by an error of its own",
}


class Violation(AssertionError):
    """An invariant does not hold. `name` is one of `NAMES`."""

    def __init__(self, name: str, detail: str) -> None:
        assert name in NAMES, f"no such invariant: {name}"
        super().__init__(f"{name} ({NAMES[name]}): {detail}")
        self.name = name
