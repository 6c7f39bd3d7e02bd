"""One connection's frames on their way out, and what faults do to them.

A line passes frames on as they are until a rule sits at its seam. What is delayed holds everything behind
it back, as one TCP stream does; `sending_ts_ms` stays what it was, so that the age shows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic_ns
from typing import Final

import structlog

from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.sandbox.faults import damage
from daemon.sandbox.faults.decisions import Faults, Subject
from daemon.sandbox.faults.registry import Rule
from daemon.sandbox.sockets import Socket
from daemon.sandbox.stream.frames import as_text_frame

WAITING_MAX: Final = 500_000
"""Frames held back for one connection; with more it is cut."""
SWAP_WITHIN: Final[Ns] = SECOND
"""A frame that waits for the next one to overtake it goes alone after so long."""
_NEVER: Final[Ns] = 1 << 62

log = structlog.get_logger()


class Line:
    """See the module's head.

    Args:
        faults: the rules.
        socket: where frames go.
        stream: "kalshi" or "kraken".
        now: a clock that doesn't jump.
        call_at: calls back at an instant of that clock; None asks the running loop.
    """

    def __init__(
        self,
        faults: Faults,
        socket: Socket,
        stream: str,
        now: Callable[[], Ns] = monotonic_ns,
        call_at: Callable[[Ns, Callable[[], None]], object] | None = None,
    ) -> None:
        self._faults = faults
        self._socket = socket
        self.stream = stream
        self._now = now
        self._call_at = call_at or self._call_later
        self._waiting: deque[tuple[Ns, bytes]] = deque()
        self._overtaken: bytes | None = None
        """A frame that waits for the next one to go first."""
        self._overtaken_until: Ns = 0
        self._free_at: Ns = 0
        """When a slow stream takes the next frame."""
        self._skipped: dict[int, int] = {}
        """By sid, how many numbers were skipped."""
        self._is_half_open = False
        self._wakes_at: Ns = _NEVER
        """When a call back is due already."""

    @property
    def is_open(self) -> bool:
        """Whether anyone is at the other end."""
        return self._socket.is_open

    def pass_on(self, payloads: Iterable[bytes]) -> list[bytes]:
        """Return what is to be written now; the rest comes later, or never."""
        is_quiet = self._faults.is_quiet("frame") and self._faults.is_quiet("connection")
        if is_quiet and not (self._waiting or self._skipped or self._overtaken is not None):
            return list(payloads)
        out: list[bytes] = []
        for payload in payloads:
            frames, due = self._treated(payload, out)
            if self._waiting or due > self._now():
                self._waiting.extend((due, frame) for frame in frames)
            else:
                out += frames
        if len(self._waiting) > WAITING_MAX:
            log.warning("line.overflowed", frames=len(self._waiting))
            self._waiting.clear()
            self._socket.abort()
        self._schedule()
        return out

    def strike(self, rules: list[Rule]) -> None:
        """Do to the connection what rules of its seam say."""
        for rule in rules:
            if rule.kind == "cut":
                self._socket.abort()
            else:
                assert rule.kind == "half_open", rule.kind
                self._is_half_open = True
                self._socket.mute()

    def release(self) -> None:
        """Let go what faults hold that are over: stalled frames, and, by a cut, a half-open connection.

        A connection that heard nothing for so long has no use for what it missed.
        """
        now = self._now()
        if self._is_half_open and not self._faults.has("half_open", now):
            self._socket.abort()
        if self._faults.has("stall", now):
            return
        self._waiting = deque((now if due == _NEVER else due, frame) for due, frame in self._waiting)
        self._flush()

    # --- one frame ---------------------------------------------------------------------------

    def _treated(self, payload: bytes, before: list[bytes]) -> tuple[list[bytes], Ns]:
        """Return what becomes of a frame, and when it is due."""
        now = self._now()
        self.strike(self._faults.decide(Subject("connection", stream=self.stream), now))
        rules = self._faults.decide(damage.subject_of(payload, self.stream), now)
        kinds = {rule.kind for rule in rules}
        overtaken, self._overtaken = self._overtaken, None
        frames = self._content(payload, rules)
        if "truncated_frame" in kinds:
            self._truncate(before, frames)
            frames = []
        if "reorder" in kinds and overtaken is None and frames:
            self._overtaken = frames.pop()
            self._overtaken_until = now + SWAP_WITHIN
        if overtaken is not None:
            frames.append(overtaken)
        return frames, self._due(rules, now)

    def _content(self, payload: bytes, rules: list[Rule]) -> list[bytes]:
        """Return what is left of a frame, how often, and with what number."""
        for rule in rules:
            if rule.kind == "sequence_gap":
                self._skip(payload, rule.count or 1)
        frames = [damage.renumbered(payload, self._skipped) if self._skipped else payload]
        for rule in rules:
            match rule.kind:
                case "drop" | "drop_private" | "lost_command_ack":
                    frames = []
                case "duplicate":
                    frames = frames * 2
                case "malformed_json" | "unknown_type" | "missing_field" | "absurd_numbers":
                    frames = [damage.damaged(rule, frame) for frame in frames]
                case _:
                    pass
        return frames

    def _due(self, rules: list[Rule], now: Ns) -> Ns:
        """Return when a frame goes out, if nothing waits before it."""
        due = now
        for rule in rules:
            pause = (rule.ms or 0) * MILLISECOND
            if rule.kind == "delay":
                due = max(due, now + pause)
            elif rule.kind == "slow_stream":
                due = self._free_at = max(self._free_at, now) + pause
            elif rule.kind == "stall":
                due = _NEVER
        return due

    def _skip(self, payload: bytes, count: int) -> None:
        sid = damage.sid_of(payload)
        if sid is not None:
            self._skipped[sid] = self._skipped.get(sid, 0) + count

    def _truncate(self, before: list[bytes], frames: list[bytes]) -> None:
        """Write what came before, half of a frame, and nothing more."""
        whole = b"".join(as_text_frame(frame) for frame in before)
        before.clear()
        for frame in frames[:1]:
            raw = as_text_frame(frame)
            whole += raw[: len(raw) // 2]
        self._socket.write_raw(whole)
        self._socket.end()

    # --- what comes later --------------------------------------------------------------------

    def _call_later(self, at: Ns, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(max(0, at - self._now()) / SECOND, call)

    def _schedule(self) -> None:
        due = self._waiting[0][0] if self._waiting else _NEVER
        if self._overtaken is not None:
            due = min(due, self._overtaken_until)
        if due < self._wakes_at:
            self._wakes_at = due
            self._call_at(due, self._flush)

    def _flush(self) -> None:
        now = self._now()
        self._wakes_at = _NEVER
        frames: list[bytes] = []
        while self._waiting and self._waiting[0][0] <= now:
            frames.append(self._waiting.popleft()[1])
        if not self._waiting and self._overtaken is not None and now >= self._overtaken_until:
            frames.append(self._overtaken)
            self._overtaken = None
        self._socket.write_raw(b"".join(as_text_frame(frame) for frame in frames))
        self._schedule()
