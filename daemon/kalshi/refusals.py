"""What is counted of the feed, and what can still be said of a frame that can't be read."""

from __future__ import annotations

import msgspec

from daemon.kalshi.wire import Envelope, Subject

SHAPES_MAX = 100
_SHAPE_CHARS_MAX = 160

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

    def refuse(self, shape: str) -> None:
        """Count a refusal and its shape. Shapes are named by what we send metrics of: they are bounded."""
        self.count("refused")
        name = f"refused {shape}"[:_SHAPE_CHARS_MAX]
        if name not in self.counts and len(self.counts) > SHAPES_MAX:
            name = "refused other shapes"
        self.count(name)


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
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    try:
        ticker = _decode_subject(envelope.msg).market_ticker
    except (msgspec.DecodeError, UnicodeDecodeError):
        ticker = None
    return Suspect(envelope.type, envelope.sid, envelope.seq, ticker)
