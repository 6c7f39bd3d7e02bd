"""Commands for tests of the shell: one market's orders by number, all of them alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from daemon.core.commands import AmendOrder, CancelAll, CancelOrder, PlaceOrder, ProbeOrder
from daemon.core.units import HOUR, Ns
from tests.core.worlds import T0, TICKER

FAR: Ns = T0 + HOUR


def place(number: int, deadline: Ns = FAR) -> PlaceOrder:
    """The order `kd-<number>`: 10 contracts at 40 c."""
    return PlaceOrder(
        client_order_id=f"kd-{number}",
        ticker=TICKER,
        side="bid",
        price=4_000,
        qty=1_000,
        time_in_force="good_till_canceled",
        post_only=True,
        exchange_index=2,
        strategy="scripted",
        reason="because",
        decided_at=T0,
        deadline=deadline,
        book_changed_max=None,
    )


def amend(number: int, deadline: Ns = FAR) -> AmendOrder:
    """An amend of the order `kd-<number>`, which the venue knows as `v-<number>`."""
    return AmendOrder(
        client_order_id=f"kd-{number}",
        order_id=f"v-{number}",
        ticker=TICKER,
        side="bid",
        price=4_100,
        qty=1_000,
        exchange_index=2,
        strategy="scripted",
        reason="because",
        decided_at=T0,
        deadline=deadline,
        book_changed_max=None,
    )


def cancel(number: int) -> CancelOrder:
    """A cancel of the order `kd-<number>`, which the venue knows as `v-<number>`."""
    return CancelOrder(f"kd-{number}", f"v-{number}", TICKER, 2, "because", T0)


def probe(number: int) -> ProbeOrder:
    """A probe of the order `kd-<number>`: one contract where nobody should meet it."""
    return ProbeOrder(f"kd-{number}", TICKER, "bid", 100, 100, 2, T0)


CANCEL_ALL = CancelAll(2, "g", "breaker opened", T0)


async def until(happened: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until something is true; fail when it isn't in time."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110 - any state of any part may be waited for
            await asyncio.sleep(0.001)
