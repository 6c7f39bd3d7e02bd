"""One connection's frames, with faults: the line alone, by a clock that is moved, and a socket that notes."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from daemon.core.units import MILLISECOND, Ns
from daemon.sandbox.faults.decisions import Faults
from daemon.sandbox.faults.line import SWAP_WITHIN, Line
from daemon.sandbox.faults.registry import Rule
from daemon.sandbox.sockets import Socket


class NotingSocket:
    """What a line does to its socket."""

    def __init__(self) -> None:
        self.raw = b""
        self.acts: list[str] = []
        self.is_open = True

    def write_raw(self, frames: bytes) -> None:
        """Note what is written later."""
        self.raw += frames

    def abort(self) -> None:
        """Note a cut."""
        self.acts.append("abort")
        self.is_open = False

    def end(self) -> None:
        """Note an end."""
        self.acts.append("end")

    def mute(self) -> None:
        """Note silence."""
        self.acts.append("mute")

    def later(self) -> list[int]:
        """Return the numbers of the frames that were written later."""
        return [json.loads(part[part.index(b"{") :])["seq"] for part in self.raw.split(b"\n") if part]


class Rig:
    """A line, its rules, its clock and its socket."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.socket = NotingSocket()
        self.now: Ns = 0
        self.timers: list[tuple[Ns, Any]] = []
        self.line = Line(self.faults, cast("Socket", self.socket), "kalshi", lambda: self.now, self.call_at)

    def call_at(self, at: Ns, call: Any) -> None:
        """Note when the line wants to be called."""
        self.timers.append((at, call))

    def move(self, by: Ns) -> None:
        """Let time pass, and the line be called when it asked to be."""
        until = self.now + by
        while due := [timer for timer in self.timers if timer[0] <= until]:
            timer = min(due, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = until

    def pass_on(self, *numbers: int, channel: str = "orderbook_delta", sid: int = 1) -> list[int]:
        """Send frames; return the numbers of those that go out at once, -1 for what is no JSON."""
        frames = [frame_of(number, channel, sid) for number in numbers]
        found = []
        for frame in self.line.pass_on(frames):
            try:
                found.append(json.loads(frame)["seq"])
            except ValueError:
                found.append(-1)
        return found

    def inject(self, **options: Any) -> int:
        """Let a fault begin."""
        return self.faults.inject(Rule(**options), self.now)


def frame_of(number: int, channel: str, sid: int) -> bytes:
    text = {"type": channel, "sid": sid, "seq": number, "msg": {"market_ticker": "KXA-1"}}
    return json.dumps(text, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def rig() -> Rig:
    """Give a line without faults."""
    return Rig()


def test_without_faults_nothing_changes(rig: Rig) -> None:
    """Frames go out as they came, at once."""
    assert [1, 2, 3] == rig.pass_on(1, 2, 3)
    assert ([], b"") == (rig.timers, rig.socket.raw)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "drop", "skip": 1, "next": 1}, [1, 3, 4]),
        ({"kind": "duplicate", "next": 1}, [1, 1, 2, 3, 4]),
        ({"kind": "reorder", "skip": 1, "next": 1}, [1, 3, 2, 4]),
        ({"kind": "sequence_gap", "skip": 2, "next": 1, "count": 5}, [1, 2, 8, 9]),
        ({"kind": "malformed_json", "next": 1}, [-1, 2, 3, 4]),
        ({"kind": "drop_private"}, [1, 2, 3, 4]),
    ],
)
def test_frames_change_as_the_fault_says(rig: Rig, options: dict[str, Any], expected: list[int]) -> None:
    """Lost, twice, swapped, renumbered, spoiled."""
    rig.inject(**options)
    assert expected == rig.pass_on(1, 2, 3, 4)


def test_a_gap_is_one_subscriptions(rig: Rig) -> None:
    """Its numbers stay raised when the rule is over; another's never were."""
    rig.inject(kind="sequence_gap", next=1, count=3)
    assert [4, 5] == rig.pass_on(1, 2)
    assert [1] == rig.pass_on(1, sid=2)
    assert [6] == rig.pass_on(3)


def test_delayed_frames_hold_back_what_follows(rig: Rig) -> None:
    """As one TCP stream does: in order, `ms` late."""
    rig.inject(kind="delay", ms=50, next=1)
    assert [] == rig.pass_on(1, 2)
    rig.move(49 * MILLISECOND)
    assert [] == rig.socket.later()
    rig.move(MILLISECOND)
    assert [1, 2] == rig.socket.later()
    assert [3] == rig.pass_on(3)


def test_a_slow_stream_ages(rig: Rig) -> None:
    """One frame every `ms`, however many come: the queue, and the age of what comes, grow."""
    rig.inject(kind="slow_stream", ms=10)
    assert [] == rig.pass_on(1, 2, 3, 4)
    ages = []
    for _ in range(4):
        rig.move(10 * MILLISECOND)
        ages.append(rig.socket.later())
    assert [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]] == ages


def test_a_stalled_stream_comes_when_it_is_released(rig: Rig) -> None:
    """Nothing is lost, and the order stays."""
    rule = rig.inject(kind="stall")
    assert [] == rig.pass_on(1, 2)
    rig.move(3600 * 1000 * MILLISECOND)
    assert [] == rig.socket.later()
    rig.faults.clear(rule)
    assert [] == rig.pass_on(3)
    rig.line.release()
    assert [1, 2, 3] == rig.socket.later()
    assert [4] == rig.pass_on(4)


def test_a_frame_to_be_overtaken_does_not_wait_for_ever(rig: Rig) -> None:
    """Without a next frame it goes alone."""
    rig.inject(kind="reorder", next=1)
    assert [] == rig.pass_on(1)
    rig.move(SWAP_WITHIN)
    assert [1] == rig.socket.later()


def test_a_truncated_frame_ends_the_connection(rig: Rig) -> None:
    """What came before is whole; of the frame there is half, and nothing follows."""
    rig.inject(kind="truncated_frame", skip=1, next=1)
    assert [] == rig.pass_on(1, 2)
    assert frame_of(1, "orderbook_delta", 1) in rig.socket.raw
    assert frame_of(2, "orderbook_delta", 1)[:20] in rig.socket.raw
    assert not rig.socket.raw.endswith(b"\n")
    assert ["end"] == rig.socket.acts


@pytest.mark.parametrize(("kind", "act"), [("cut", "abort"), ("half_open", "mute")])
def test_a_connections_fault_strikes_with_a_frame(rig: Rig, kind: str, act: str) -> None:
    """Whatever the frame is, once."""
    rig.inject(kind=kind, next=1)
    rig.pass_on(1, 2)
    assert [act] == rig.socket.acts
