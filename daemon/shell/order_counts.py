"""What became of order requests, and how soon: counted where the order queue tells it, off the hot path.

A request that went out is answered yes or no, or its fate is unknown; one that never went out was dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, get_args

from daemon.core import events as e
from daemon.core.commands import AmendOrder, CancelOrder, Command, PlaceOrder
from daemon.core.risk import Refusal
from daemon.core.units import Ns
from daemon.shell.histogram import Histogram

RESULTS: Final[dict[type[e.Event], str]] = {
    e.OrderAccepted: "accepted",
    e.OrderRejected: "rejected",
    e.OrderUnknown: "unknown",
    e.OrderDropped: "dropped",
}
_Told: TypeAlias = e.OrderAccepted | e.OrderRejected | e.OrderUnknown | e.OrderDropped
_TICKS = (e.BookDeltaReceived, e.BookSnapshotReceived, e.TradePrinted)
_ACTIONS: Final[dict[type[Command], e.OrderAction]] = {
    PlaceOrder: "place",
    AmendOrder: "amend",
    CancelOrder: "cancel",
}


STRATEGY: Final = "strategy"
"""Why most cancels are decided: it wants something else by now, for reasons with figures in them."""
CANCEL_REASONS: Final = (*get_args(Refusal), "adopted", "stop-loss", "take-profit", STRATEGY)


class OrderCounts:
    """Order requests by action and result, cancels by reason, and two delays, each with its last orders."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, ...], int] = {
            (action, result): 0 for action in get_args(e.OrderAction) for result in RESULTS.values()
        }
        self.cancels: dict[str, int] = dict.fromkeys(CANCEL_REASONS, 0)
        """Cancels that were decided, by what the decision's reason begins with, if it is one of these."""
        self.ack = Histogram()
        """From a request's leaving our queue to its answer, yes or no."""
        self.tick_to_order = Histogram()
        """From a tick's arrival to the leaving of a request that was decided on it."""
        self._ticks: dict[tuple[str, str], Ns] = {}
        """When the tick came on which a request was decided that has not ended yet."""

    def counting(self, emit: Callable[[e.Event], None]) -> Callable[[e.Event], None]:
        """Return an `emit` for the order queue that counts what it passes on."""

        def counted(event: e.Event) -> None:
            if isinstance(event, _Told):
                self._count(event)
            emit(event)

        return counted

    def on_batch(self, events: Sequence[e.Event], commands: Sequence[Command]) -> None:
        """Take what was decided on what."""
        if not commands:
            return
        came_at = next((event.received_at for event in events if isinstance(event, _TICKS)), None)
        for command in commands:
            if not isinstance(command, PlaceOrder | AmendOrder | CancelOrder):
                continue
            if came_at is not None:
                self._ticks[_ACTIONS[type(command)], command.client_order_id] = came_at
            if isinstance(command, CancelOrder):
                reason = command.reason.partition(":")[0]
                self.cancels[reason if reason in self.cancels else STRATEGY] += 1

    def _count(self, event: _Told) -> None:
        self.requests[event.action, RESULTS[type(event)]] += 1
        came_at = self._ticks.pop((event.action, event.client_order_id), None)
        if not isinstance(event, e.OrderAccepted | e.OrderRejected) or event.asked_at is None:
            return
        name, at = event.client_order_id, event.received_at
        self.ack.observe_order(max(0, at - event.asked_at), name, at)
        if came_at is not None:
            self.tick_to_order.observe_order(max(0, event.asked_at - came_at), name, at)
