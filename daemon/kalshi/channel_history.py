"""Whether a channel has fallen silent, against its own history, while others of its connection speak.

A channel that the venue stopped feeding looks like a quiet market: nothing fails. So each channel's longest
pause of the last day is kept, and a silence longer than the limit *and* twice that pause is told, once; it is
told again when the channel speaks. The silence is measured up to when another channel last spoke: if
all are silent, the connection is what is ill, and that shows elsewhere. What a silence taught us that we
told of is not learnt as a habit. Our own orders, fills and positions depend on what we do, so these
channels are compared with each other only.
"""

from __future__ import annotations

from collections import deque

from daemon.core.events import ChannelQuieted, Event
from daemon.core.units import HOUR, Ns
from daemon.kalshi.channels import PRIVATE

HEARD_MIN = 20
"""A channel that was heard less often has no habit yet."""
PAUSES_FACTOR = 2
BUCKET: Ns = HOUR
BUCKETS = 24


class _Habit:
    """One channel: how often it was heard, when last, and its longest pause by hour."""

    __slots__ = ("heard", "is_quiet", "last_at", "pauses")

    def __init__(self, now: Ns) -> None:
        self.heard = 0
        self.last_at = now
        self.is_quiet = False
        self.pauses: deque[list[Ns]] = deque(maxlen=BUCKETS)  # [hour, longest pause]

    def learn(self, pause: Ns, now: Ns) -> None:
        """Take in a pause that ended now."""
        bucket = now // BUCKET
        if not self.pauses or self.pauses[-1][0] != bucket:
            self.pauses.append([bucket, pause])
        elif pause > self.pauses[-1][1]:
            self.pauses[-1][1] = pause

    def longest_pause(self) -> Ns:
        return max((pause for _, pause in self.pauses), default=0)


class ChannelHistory:
    """The habits of one connection's channels, over all its connections. Told the time, no clock."""

    def __init__(self, feed: str, quiet_max: Ns | None) -> None:
        """Build; with `quiet_max` None nothing is ever told."""
        self._feed = feed
        self.quiet_max = quiet_max
        self._habits: dict[str, _Habit] = {}
        self._left: dict[str, None] = {}
        """Channels that were told to be silent, and were left: that is to be taken back."""

    def restarted(self, now: Ns) -> None:
        """Count silences from now on: a new connection is up, and the time without one is no pause."""
        for habit in self._habits.values():
            habit.last_at = now
            # What was told of the old connection ended with it: a silence that goes on is told again.
            habit.is_quiet = False

    def forget(self, channel: str) -> None:
        """Forget a channel: it is not subscribed any more, so its silence means nothing."""
        habit = self._habits.pop(channel, None)
        if habit is not None and habit.is_quiet:
            self._left[channel] = None

    def heard(self, channel: str, now: Ns) -> list[Event]:
        """Take note of a message; return that the channel speaks again, if it was told to be quiet."""
        habit = self._habits.get(channel)
        if habit is None:
            habit = self._habits[channel] = _Habit(now)
        pause = now - habit.last_at
        habit.heard += 1
        habit.last_at = now
        if habit.is_quiet:
            habit.is_quiet = False
            return [ChannelQuieted(self._feed, channel, None, now)]
        habit.learn(pause, now)
        return []

    def check(self, now: Ns) -> list[Event]:
        """Return the channels that have fallen silent since the last check."""
        if self.quiet_max is None:
            return []
        events: list[Event] = [ChannelQuieted(self._feed, channel, None, now) for channel in self._left]
        self._left.clear()
        for name, habit in self._habits.items():
            if habit.is_quiet or habit.heard < HEARD_MIN:
                continue
            others = [
                other.last_at
                for other_name, other in self._habits.items()
                if other is not habit and (other_name in PRIVATE) == (name in PRIVATE)
            ]
            limit = max(self.quiet_max, PAUSES_FACTOR * habit.longest_pause())
            if others and max(others) - habit.last_at > limit:
                habit.is_quiet = True
                events.append(ChannelQuieted(self._feed, name, now - habit.last_at, now))
        return events
