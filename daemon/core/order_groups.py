"""What we believe of the order groups that we rest in: the venue's second line, one group per shard.

A group is in force on a shard from when the venue has told its id until it says that it is gone. It is in
*doubt* after the private stream was down: nobody would have told us of its end, so it is asked after before
anything more is put into it. Triggered, it takes no orders; it is reset only once a person has resumed.
Groups that are not ours are none of our business.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.core import events as e
from daemon.core.own_orders import ABSENT_AFTER
from daemon.core.units import SECOND, Ns

TRIGGERED_CODE = "exceeded_order_group_risk_limit"
"""How the venue refuses an order of a group that is triggered (sheet 4.5)."""
GONE_CODE = "order_group_not_found"
ECHO: Ns = 5 * SECOND
"""So long after the first word of a trigger of ours others still come: the answer's, and the stream's."""
GroupRefusal: TypeAlias = Literal["no_order_group", "order_group_triggered"]


class OrderGroups:
    """The group in force by shard."""

    def __init__(self) -> None:
        self._told: dict[int, e.OrderGroupTold] = {}
        self._doubted: dict[int, None] = {}
        self._to_reset: dict[int, None] = {}
        self._newly_triggered: dict[int, None] = {}
        self._emptied: dict[int, Ns] = {}
        """Until when a trigger is our own doing, or that of the life before us, by shard."""

    def id_of(self, shard: int) -> str | None:
        """Return the id of a shard's group, whatever its state; None when there is none."""
        told = self._told.get(shard)
        return None if told is None else told.order_group_id

    @property
    def ids(self) -> dict[int, str]:
        """The ids of the groups that we have, by shard."""
        told = self._told.items()
        return {shard: one.order_group_id for shard, one in told if one.order_group_id is not None}

    def is_doubted(self, shard: int) -> bool:
        """Whether the group has to be asked after."""
        return shard in self._doubted

    def is_triggered(self, shard: int) -> bool:
        """Whether the group takes no orders until it is reset."""
        told = self._told.get(shard)
        return told is not None and told.order_group_id is not None and told.is_triggered

    def is_reset_due(self, shard: int) -> bool:
        """Whether the group may take orders again: we triggered it, or a person has resumed since."""
        return shard in self._to_reset and self.is_triggered(shard)

    def open_id(self, shard: int) -> str | None:
        """Return the id of the group that an order may be put into now; None when there is none such."""
        return None if shard in self._doubted or self.is_triggered(shard) else self.id_of(shard)

    def refusal(self, shard: int) -> GroupRefusal | None:
        """Return why nothing may enter on a shard whose orders are to be in a group; None when it may."""
        if self.is_triggered(shard):
            return "order_group_triggered"
        return None if self.open_id(shard) is not None else "no_order_group"

    def take_newly_triggered(self) -> tuple[str, ...]:
        """Return, once, the ids of the groups that were triggered."""
        if not self._newly_triggered:
            return ()
        ids = [self.id_of(shard) for shard in self._newly_triggered]
        self._newly_triggered.clear()
        return tuple(one for one in ids if one is not None)

    # --- what changes them ----------------------------------------------------------------------

    def trigger(self, shard: int, now: Ns) -> None:
        """We ask the venue to trigger a group: that is no runaway. Whether it did has to be asked after.

        A request without an answer may still arrive, after we have asked and were told that nothing happened.
        """
        self._emptied[shard] = now + ABSENT_AFTER
        self._doubted[shard] = None

    def apply(self, event: e.OrderGroupTold) -> None:
        """Take in the venue's word. An answer's ends a doubt; the stream's, by id, changes what it says."""
        shard = event.exchange_index
        if shard is None:
            shard = next((one for one in self._told if self.id_of(one) == event.order_group_id), None)
            if shard is None or event.order_group_id is None:
                return  # not ours
        else:
            self._doubted.pop(shard, None)
        if event.is_gone or event.order_group_id is None:
            self._lose(shard, event.received_at)
            return
        if event.is_recovered:
            # It is asked after first. If it is triggered, the last life did that, or has halted for it: that
            # halt is on disk, or a person has resumed since. It is no runaway of this life.
            self._told[shard] = event
            self.trigger(shard, event.received_at)
            return
        was_triggered = self.is_triggered(shard) and self.id_of(shard) == event.order_group_id
        self._told[shard] = event
        ours_until = self._emptied.get(shard)
        if not event.is_triggered:
            for notes in (self._to_reset, self._newly_triggered):
                notes.pop(shard, None)
        elif ours_until is not None and event.received_at < ours_until:
            self._emptied[shard] = min(ours_until, event.received_at + ECHO)
            self._to_reset[shard] = None
        elif not was_triggered:
            self._newly_triggered[shard] = None

    def reject(self, code: str, shard: int | None, at: Ns) -> None:
        """Take in how the venue refused an order of ours: it may say what became of the order's group."""
        if shard is None or self.id_of(shard) is None:
            return
        if code == TRIGGERED_CODE:
            self.apply(e.OrderGroupTold(None, self.id_of(shard), True, at))
        elif code == GONE_CODE:
            self._lose(shard, at)

    def doubt(self) -> None:
        """The private stream was down: all groups have to be asked after."""
        self._doubted.update(dict.fromkeys(self.ids))

    def resume(self) -> None:
        """A person has resumed: what is triggered may be reset."""
        self._to_reset.update({shard: None for shard in self._told if self.is_triggered(shard)})

    def _lose(self, shard: int, at: Ns) -> None:
        self._told[shard] = e.OrderGroupTold(shard, None, False, at)
        self._emptied.pop(shard, None)
        for notes in (self._doubted, self._to_reset, self._newly_triggered):
            notes.pop(shard, None)
