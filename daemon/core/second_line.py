"""The venue's second line behind our own limits: an order group per shard, and an expiry on all that rests.

All that we rest on a shard is in one group: when so many contracts match within 15 seconds, the venue takes
all of it out and takes nothing more. That is a runaway, whatever our own books say: the engine halts, and the
group is reset once a person has resumed. Until a shard's group is known nothing enters there.

Every resting order has an expiry, the dead man's switch: if we are gone, it goes too. While all is well it is
moved on by an amend that changes nothing else, which keeps the place in the queue (sheet 4.6). While we are
halted, not reconciled or stopped by a breaker, it is not.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.core.breakers import Breakers
from daemon.core.commands import CancelAll, Command, DropOrderGroup, MakeOrderGroup, ResetOrderGroup
from daemon.core.engine_config import EngineConfig
from daemon.core.issuing import Issuer
from daemon.core.orders import Order, ProposeAmend
from daemon.core.own_orders import ADOPTED
from daemon.core.risk import Risk
from daemon.core.state import State
from daemon.core.strategy import Target
from daemon.core.units import MINUTE, SECOND, Ns

RETRY_MIN: Ns = 2 * SECOND
RETRY_MAX: Ns = MINUTE
KEPT_AT_ONCE = 2
"""Expiries being moved on at one time: with that, new orders find tokens, and a whole book is kept alive."""
TOO_LATE: Ns = 2 * SECOND
"""An order that expires within this is left to: the amend would meet its end."""
GUARD = "order group"
"""Who halts when a group was triggered."""

Wish: TypeAlias = Literal["make", "ask", "reset", "close"]


class SecondLine:
    """Keeps when what was asked for last. The beliefs are in `State`."""

    def __init__(
        self, config: EngineConfig, state: State, breakers: Breakers, risk: Risk, issuer: Issuer
    ) -> None:
        self.config = config
        self.limits = config.limits
        self._state = state
        self._breakers = breakers
        self._risk = risk
        self._issuer = issuer
        self._asked: dict[int, tuple[Wish, Ns, int]] = {}
        """By shard: what was asked for last, when, and how often in a row."""
        self._shards: tuple[int, tuple[int, ...]] | None = None
        """The shards of the watched markets, as of a count of their comings and goings."""

    def watch(self) -> None:
        """Halt when a group was triggered."""
        for group_id in self._state.order_groups.take_newly_triggered():
            limit = self.config.order_group_limit
            self._state.halt(f"order group {group_id} triggered: {limit / 100:g} contracts in 15 s", GUARD)

    def keep(self, now: Ns) -> list[Command]:
        """Return what keeps groups and resting orders alive; nothing of that while all is not well."""
        state = self._state
        if state.halt_reason is not None:
            return self._closings(state.halt_reason, now)
        if state.stop_reason is not None or not self._breakers.is_answered:
            return []
        commands = self._groups(now)
        if state.account.is_reconciled:
            commands += self._expiries(now)
        return commands

    def end(self, now: Ns) -> list[Command]:
        """Return what takes our groups out, at a stop that leaves nothing in them."""
        ids = self._state.order_groups.ids
        return [DropOrderGroup(shard, group_id, now) for shard, group_id in ids.items()]

    # --- order groups ---------------------------------------------------------------------------

    def _groups(self, now: Ns) -> list[Command]:
        limit, state = self.config.order_group_limit, self._state
        if not limit:
            return []
        commands: list[Command] = []
        for shard in self._watched_shards():
            wish = self._wish(shard)
            if wish is None:
                self._settle(shard)
                continue
            if not self._is_due(shard, wish, now):
                continue
            if state.exchange.pause(shard, now) == "exchange_paused":
                continue  # it would be refused, as everything is
            _, _, times = self._asked.get(shard, (wish, now, 0))
            self._asked[shard] = (wish, now, times + 1)
            group_id = state.order_groups.id_of(shard)
            if wish == "reset":
                assert group_id is not None, "only a group that we have is triggered"
                commands.append(ResetOrderGroup(shard, group_id, now))
            else:
                commands.append(MakeOrderGroup(shard, limit, now, group_id))
        return commands

    def _watched_shards(self) -> tuple[int, ...]:
        """Return the shards on which we watch a market; looked for anew when one came or went."""
        state = self._state
        if self._shards is None or self._shards[0] != state.listings_changed:
            watched = [one.spec for one in state.markets.values() if not one.is_unwatched]
            shards = dict.fromkeys(spec.exchange_index for spec in watched)
            self._shards = (state.listings_changed, tuple(shards))
        return self._shards[1]

    def _closings(self, reason: str, now: Ns) -> list[Command]:
        """Return what triggers, once more, the groups that nobody has told to be closed since the halt.

        The trigger that was sent with the halt may be lost, and a reset of before may have come after it.
        """
        groups = self._state.order_groups
        commands: list[Command] = []
        for shard, group_id in groups.ids.items():
            wish, _, times = self._asked.get(shard, ("make", now, 0))
            if groups.is_triggered(shard):
                self._asked.pop(shard, None)
            elif wish != "close":
                self._asked[shard] = ("close", now, 1)  # the first one goes with the halt
            elif self._is_due(shard, "close", now):
                self._asked[shard] = ("close", now, times + 1)
                groups.trigger(shard, now)
                commands.append(CancelAll(shard, group_id, reason, now))
        return commands

    def _wish(self, shard: int) -> Wish | None:
        """Return what is wanted of a shard's group; None when it is as it should be."""
        groups = self._state.order_groups
        if groups.id_of(shard) is None:
            return "make"
        if groups.is_doubted(shard):
            return "ask"
        return "reset" if groups.is_reset_due(shard) else None

    def _is_due(self, shard: int, wish: Wish, now: Ns) -> bool:
        """Whether to ask (again): with growing pauses while there is no answer."""
        last = self._asked.get(shard)
        if last is None:
            return True
        if last[0] != wish:
            self._settle(shard)
        _, at, times = self._asked[shard]
        return now - at >= min(RETRY_MAX, RETRY_MIN * (1 << min(times, 10)) // 2)

    def _settle(self, shard: int) -> None:
        """What was asked for came: the next question doesn't wait as long as the last one had to."""
        if shard in self._asked:
            wish, at, _ = self._asked[shard]
            self._asked[shard] = (wish, at, 0)

    # --- expiries -------------------------------------------------------------------------------

    def _expiries(self, now: Ns) -> list[Command]:
        """Return the amends that move on the expiries of which less than half is left, the nearest first."""
        expiry = self.config.order_expiry
        if expiry is None:
            return []
        orders = self._state.orders.values()
        soon = now + expiry // 2
        due = [
            (order.expires_at, order)
            for order in orders
            if order.expires_at is not None
            and order.expires_at < soon
            and self._is_worth_keeping(order, order.expires_at, now)
        ]
        if not due:
            return []
        room = KEPT_AT_ONCE - sum(order.state == "amending" for order in orders)
        due.sort(key=lambda one: one[0])
        return [self._move_on(order, now) for _, order in due[: max(0, room)]]

    def _is_worth_keeping(self, order: Order, expires_at: Ns, now: Ns) -> bool:
        """Whether an order shall rest on, and the amend would pass: what is at odds is left to expire."""
        state = self._state
        market = state.markets.get(order.ticker)
        if order.state != "resting" or order.strategy == ADOPTED or market is None:
            return False
        if order.pending is not None:
            return False  # an amend of unknown outcome may still arrive, and must not meet another one
        if expires_at - now < TOO_LATE or now - order.touched_at < SECOND or order.remaining <= 0:
            return False
        if expires_at >= market.spec.close_at or not market.book.is_synced:
            return False
        keys = state.keys_of(order.ticker, order.strategy)
        return (
            state.vouch(market, self.limits, now) is None
            and self._breakers.against(keys, is_reducing=order.purpose == "reduce", trials=()) is None
        )

    def _move_on(self, order: Order, now: Ns) -> Command:
        target = Target(order.side, order.price, order.remaining, "rest", "kept alive")
        wish = ProposeAmend(order.ticker, order.strategy, order.client_order_id, target)
        return self._issuer.issue(self._risk.approve_keeping(wish, order), None, now)
