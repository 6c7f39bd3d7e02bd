"""What several strategies want of one market at one instant, less what would trade among themselves.

A bid of one strategy that meets an ask of another would be a trade with ourselves: the venue takes both fees,
or refuses it, and nobody's position changes but on our own paper. So as much as meets is taken off both, the
highest bid against the lowest ask first, and what is left of each stays its own strategy's. Nothing is added
and no price is changed; what one strategy alone wants is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from daemon.core.strategy import Target, Wanted
from daemon.core.units import Qty

NETTED = "met by another strategy of ours"
"""Why a strategy whose last target was taken off wants nothing."""


def netted(wishes: Sequence[Wanted]) -> list[Wanted]:
    """Return what several strategies want of one market, netted: one for each, in the order given."""
    if len(wishes) < 2 or sum(bool(wanted.targets) for wanted in wishes) < 2:
        return list(wishes)
    bids = _of_side(wishes, "bid")
    asks = _of_side(wishes, "ask")
    left: dict[tuple[int, int], Qty] = {}
    for at_bid, bid in bids:
        for at_ask, ask in asks:
            if ask.price > bid.price:
                break  # ascending: none after it meets this bid either
            if at_bid[0] == at_ask[0]:
                continue  # one strategy's own affair
            met = min(left.get(at_bid, bid.qty), left.get(at_ask, ask.qty))
            if met > 0:
                left[at_bid] = left.get(at_bid, bid.qty) - met
                left[at_ask] = left.get(at_ask, ask.qty) - met
    if not left:
        return list(wishes)
    return [_less(wanted, place, left) for place, wanted in enumerate(wishes)]


def _of_side(wishes: Sequence[Wanted], side: str) -> list[tuple[tuple[int, int], Target]]:
    """Return the targets of one side with their places, the most eager first, then the earlier one."""
    found = [
        ((place, number), target)
        for place, wanted in enumerate(wishes)
        for number, target in enumerate(wanted.targets)
        if target.side == side
    ]
    return sorted(found, key=lambda entry: (-entry[1].price if side == "bid" else entry[1].price, entry[0]))


def _less(wanted: Wanted, place: int, left: dict[tuple[int, int], Qty]) -> Wanted:
    """Return one strategy's wish with what is left of its targets."""
    targets = []
    for number, target in enumerate(wanted.targets):
        qty = left.get((place, number), target.qty)
        if qty == target.qty:
            targets.append(target)
        elif qty:
            targets.append(msgspec.structs.replace(target, qty=qty))
    return Wanted(tuple(targets), wanted.reason if targets else NETTED if wanted.targets else wanted.reason)
