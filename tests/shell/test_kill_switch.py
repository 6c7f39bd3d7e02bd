"""The kill switch: on disk before anything is told, told once, and what the disk refuses stays halted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.core import events as e
from daemon.core.commands import LatchHalt, LiftHalt
from daemon.shell.kill_switch import By, KillSwitch
from daemon.shell.latch import Halt, Latch, instant_text
from tests.core.worlds import T0


class Thrown:
    """A switch, and what it told a core that is in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.told: list[e.Event] = []
        self.was_on_disk: list[bool] = []
        self.is_halted = False
        self.switch = KillSwitch(Latch(folder), now=lambda: T0, emit=self.emit)
        self.switch.is_halted = lambda: self.is_halted
        self.failures = 0
        self.switch.on_failure = self.count

    def count(self) -> None:
        self.failures += 1

    def emit(self, event: e.Event) -> None:
        self.told.append(event)
        self.was_on_disk.append(self.switch.latch.is_set)


@pytest.fixture
def thrown(tmp_path: Path) -> Thrown:
    """A switch that nobody has thrown."""
    return Thrown(tmp_path)


@pytest.fixture
def refused(tmp_path: Path) -> Thrown:
    """A switch whose disk takes nothing: its folder is a file."""
    (tmp_path / "file").touch()
    return Thrown(tmp_path / "file")


@pytest.mark.parametrize("by", ["cli", "signal", "page", "file"])
def test_a_persons_halt_is_on_disk_before_it_is_told(thrown: Thrown, by: By) -> None:
    """With who did it and when; the core hears it once."""
    assert thrown.switch.halt("a  reason\n", by)
    assert Halt("a reason", by, instant_text(T0)) == thrown.switch.latch.read()
    assert [e.HaltRequested("a reason", T0, by)] == thrown.told
    assert [True] == thrown.was_on_disk
    assert thrown.switch.tell_latched() is None


def test_a_halt_that_the_disk_refuses_holds_in_memory(refused: Thrown) -> None:
    """It is told all the same, and counted."""
    assert not refused.switch.halt("a reason", "cli")
    assert [e.HaltRequested("a reason", T0, "cli")] == refused.told
    assert 1 == refused.failures


def test_flattening_halts_first(thrown: Thrown) -> None:
    """What is flat stays flat over a restart too."""
    thrown.switch.flatten("out", 300, "cli")
    assert [e.HaltRequested("out", T0, "cli"), e.FlattenRequested("out", 300, T0, "cli")] == thrown.told
    assert [True, True] == thrown.was_on_disk


def test_a_resume_is_told_and_lifts_nothing_by_itself(thrown: Thrown) -> None:
    """The core gives the latch back: until then a crash leaves us halted."""
    thrown.switch.halt("a reason", "cli")
    thrown.switch.resume("all is well", "cli")
    assert e.ResumeRequested("all is well", T0, "cli") == thrown.told[-1]
    assert thrown.switch.latch.is_set
    thrown.switch.carry_out(LiftHalt("all is well", "cli", T0))
    assert not thrown.switch.latch.is_set


def test_nobody_resumes_without_a_reason(thrown: Thrown) -> None:
    """Whoever asks for it has checked."""
    with pytest.raises(AssertionError):
        thrown.switch.resume(" \n", "cli")
    assert [] == thrown.told


def test_a_guards_halt_is_latched(thrown: Thrown) -> None:
    """The core decided it: it knows, and is told nothing."""
    thrown.switch.carry_out(LatchHalt("daily loss", "guard", T0))
    assert Halt("daily loss", "guard", instant_text(T0)) == thrown.switch.latch.read()
    assert [] == thrown.told


def test_a_halt_that_cannot_be_lifted_halts_again(thrown: Thrown) -> None:
    """Trading, with a latch that the next start would obey, is neither."""
    thrown.switch.latch.hand_path.mkdir()
    thrown.switch.carry_out(LiftHalt("all is well", "cli", T0))
    (event,) = thrown.told
    assert isinstance(event, e.HaltRequested)
    assert "could not be lifted" in event.reason
    assert 1 == thrown.failures


def test_a_halt_on_disk_is_told_once_to_a_core_that_does_not_know(thrown: Thrown) -> None:
    """At the start, or when another process latched it while we hung."""
    thrown.switch.latch.write(Halt("it hangs", "cli", None))
    assert Halt("it hangs", "cli", None) == thrown.switch.tell_latched()
    assert thrown.switch.tell_latched() is None
    assert [e.HaltRequested("it hangs", T0, "latch")] == thrown.told
    thrown.is_halted = True
    assert thrown.switch.tell_latched() is None
    assert 1 == len(thrown.told)


def test_the_file_stands_by_itself_once_it_was_seen(thrown: Thrown) -> None:
    """Whoever takes it away again resumes nothing."""
    thrown.switch.latch.hand_path.write_text("enough")
    thrown.switch.tell_latched()
    thrown.switch.latch.hand_path.unlink()
    assert [e.HaltRequested("enough", T0, "file")] == thrown.told
    halt = thrown.switch.latch.read()
    assert halt is not None
    assert ("enough", "file") == (halt.reason, halt.by)


def test_after_a_resume_the_next_halt_on_disk_is_told_again(thrown: Thrown) -> None:
    """The switch can be thrown any number of times."""
    for number in range(3):
        thrown.switch.latch.hand_path.write_text(f"halt {number}")
        thrown.switch.tell_latched()
        thrown.switch.carry_out(LiftHalt("all is well", "cli", T0))
    assert [f"halt {number}" for number in range(3)] == [
        event.reason for event in thrown.told if isinstance(event, e.HaltRequested)
    ]


def test_nothing_leaves_past_a_halt_that_the_core_has_not_heard(thrown: Thrown) -> None:
    """Asked before every order; the first to ask tells the core."""
    assert thrown.switch.refusal() is None
    thrown.switch.latch.write(Halt("it hangs", "cli", None))
    assert ["halted", "halted"] == [thrown.switch.refusal(), thrown.switch.refusal()]
    assert 1 == len(thrown.told)
    # Once it knows, the core says what may leave: an order that only reduces may.
    thrown.is_halted = True
    assert thrown.switch.refusal() is None


async def test_the_watch_finds_the_file(thrown: Thrown) -> None:
    """Soon after it was made."""
    watching = asyncio.create_task(thrown.switch.watch())
    try:
        async with asyncio.timeout(20):
            thrown.switch.latch.hand_path.touch()
            while not thrown.told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()
        await asyncio.wait({watching})
