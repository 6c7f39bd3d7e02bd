"""What is counted of the feed, and what can still be said of a frame that can't be read."""

from __future__ import annotations

import re

import msgspec

from daemon.core.events import Event, FrameRefused
from daemon.core.units import MINUTE, SECOND, Ns
from daemon.kalshi.wire import Envelope, Subject

SHAPES_MAX = 100
TOLD_PER_S_MAX = 5
"""How often one shape is told as an event within a second; the counters count every refusal."""
_OTHER_SHAPES = "other shapes"
_SHAPE_CHARS_MAX = 160
_PLACE_IN_TEXT = re.compile(r" \(byte \d+\)")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a frame may raise; the last by a frame that nests its brackets without end."""
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_subject = msgspec.json.Decoder(Subject).decode


class Tally:
    """Plain counts by name. Refusals are also counted by shape, up to a hundred shapes."""

    def __init__(self, *names: str) -> None:
        """Start with these names at zero; others appear when they first happen."""
        self.counts = dict.fromkeys((*names, "refused"), 0)

    def count(self, name: str) -> None:
        """Count one."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def refuse(self, shape: str) -> str:
        """Count a refusal and its shape; return the shape as it is counted.

        Shapes come from outside and name metrics: their length and number are bounded, past that they are
        counted together.
        """
        self.count("refused")
        shape = _PLACE_IN_TEXT.sub("", shape)[:_SHAPE_CHARS_MAX]
        if f"refused {shape}" not in self.counts and len(self.counts) > SHAPES_MAX:
            shape = _OTHER_SHAPES
        self.count(f"refused {shape}")
        return shape


class Refusals:
    """Turns refused frames into events, so many that nobody misses one shape, and none is flooded by it."""

    def __init__(self, feed: str, tally: Tally) -> None:
        self._feed = feed
        self._tally = tally
        self._told: dict[str, tuple[Ns, int]] = {}
        """By shape, the second (or minute) in which it was last told, and how often within it."""

    def refuse(self, shape: str, now: Ns, *, is_ours: bool = True) -> list[Event]:
        """Count a refused frame, and tell of it.

        Args:
            shape: what was wrong, without what differs from frame to frame.
            now: our time.
            is_ours: False for what concerns only markets that we don't watch: it is told once a minute, so
                that a novelty elsewhere on the exchange is seen, and stops nobody from trading here.
        """
        shape = self._tally.refuse(shape)
        span, most = (SECOND, TOLD_PER_S_MAX) if is_ours else (MINUTE, 1)
        began_at, told = self._told.get(shape, (now, 0))
        if now - began_at >= span:
            began_at, told = now, 0
        if told >= most:
            return []
        self._told[shape] = (began_at, told + 1)
        return [FrameRefused(self._feed, shape, now)]


class Suspect(msgspec.Struct, frozen=True):
    """Whose a refused frame was, as far as it says: each field is None where it doesn't."""

    kind: str | None
    sid: int | None
    seq: int | None
    ticker: str | None


def identify(frame: bytes) -> Suspect | None:
    """Return whose a refused frame was; None when not even its envelope can be read."""
    try:
        envelope = _decode_envelope(frame)
    except UNREADABLE:
        return None
    try:
        ticker = _decode_subject(envelope.msg).market_ticker
    except UNREADABLE:
        ticker = None
    return Suspect(envelope.type, envelope.sid, envelope.seq, ticker)
