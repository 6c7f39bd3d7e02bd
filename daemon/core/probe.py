"""Whether a stream still brings what is sent: one that brings nothing is asked for an answer of its own.

The pings of a connection prove the connection, not the stream behind it: a server whose senders hang goes
on answering pings. So what a quiet stream is asked for must be answered in the stream itself, by a frame:

    well ─no frame for a quarter of the limit→ asked ─any frame→ well
                                                 └──none up to the limit→ stalled

Frames are counted by who receives them; here the count is looked at, about once a second. Where nobody
looked for long (our process stood still, or time jumped), frames may lie unread: then it is asked anew.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daemon.core.units import SECOND, Ns

Verdict: TypeAlias = Literal["well", "ask", "stalled"]

ASK_AFTER_PART = 4
"""A stream is asked after this part of the limit, so that the rest is left for the answer."""
LOOKS_APART_MAX: Ns = 3 * SECOND
"""Looks further apart than this say that we were away, or time jumped."""


def doubted_after(silence_max: Ns) -> Ns:
    """Return how long a stream that is asked may owe its answer before nothing new is sent on its word.

    A sound one is never so late: it is looked at about once a second, and asked after a quarter of the limit.
    """
    return min(silence_max, max(silence_max // 2, LOOKS_APART_MAX))


class Probe:
    """The silence of one stream over one connection after another. Told the time, no clock."""

    __slots__ = ("_asked_at", "_frames", "_heard_at", "_looked_at", "silence_max")

    def __init__(self, silence_max: Ns | None) -> None:
        """Build.

        Args:
            silence_max: how long no frame may come, though one was asked for; None: any time.
        """
        self.silence_max = silence_max
        self.restart(0, 0)

    def restart(self, frames: int, now: Ns) -> None:
        """Begin with a new connection; `frames` is the count of frames so far."""
        self._frames = frames
        self._heard_at = now
        self._looked_at = now
        self._asked_at: Ns | None = None

    def look(self, frames: int, now: Ns) -> Verdict:
        """Return what to do, given the count of frames so far; "ask" is said once for each silence.

        To be called about once a second.
        """
        was_away = now - self._looked_at > LOOKS_APART_MAX
        self._looked_at = now
        limit = self.silence_max
        if frames != self._frames or limit is None:
            self._frames, self._heard_at, self._asked_at = frames, now, None
            return "well"
        if self._asked_at is None or was_away:
            if now - self._heard_at < limit // ASK_AFTER_PART:
                return "well"
            self._asked_at = now
            return "ask"
        is_late = now - self._heard_at >= limit and now - self._asked_at >= limit // 2
        return "stalled" if is_late else "well"
