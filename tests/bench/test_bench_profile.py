"""`daemon/PROFILE.md` names the stages that there are, and these hold nearly all of a tick's time."""

from __future__ import annotations

import inspect
import re
import tempfile
from asyncio import run
from pathlib import Path

from tests.bench.profile import HEAD, PAGE, busy, page, whole_tick
from tests.bench.stages import STAGES, StageClock, timed

_ROW = re.compile(r"^\| ([a-z]+) \| (.+?) \|( +[0-9.]+ \|){3}$", re.MULTILINE)


def test_the_page_has_the_stages_of_the_code() -> None:
    """In their order and words; only the figures are the machine's. `make bench PROFILE=1` makes it anew."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.startswith(HEAD)
    assert [(stage.name, stage.does) for stage in STAGES] == [(row[0], row[1]) for row in _ROW.findall(text)]


def test_every_stage_is_functions_of_the_daemon() -> None:
    """Plain ones, each in one stage only: a coroutine's clock would count its waits."""
    methods = [method for stage in STAGES for method in stage.methods]
    assert len(methods) == len(set(methods))
    for owner, name in methods:
        assert callable(getattr(owner, name))
        assert not inspect.iscoroutinefunction(getattr(owner, name))


def test_a_page_tells_nothing_of_the_machine_but_what_it_is() -> None:
    """The figures stand in their columns, the sum below them; no path, no name of a host."""
    figures = {stage.name: (1.0, 2.0, 3.0) for stage in STAGES}
    text = page(5.0, figures, "a machine")
    assert f"| **{len(STAGES):.1f}** | **{2 * len(STAGES):.1f}** |" in text
    assert "Measured on: a machine." in text
    assert "/home" not in PAGE.read_text(encoding="utf-8")


def test_a_function_is_not_charged_for_another_stage() -> None:
    """The inner one's time is its own; both together are the whole."""
    clock = StageClock()
    inner = clock.around("score", lambda: sum(range(20_000)))
    clock.around("decide", inner)()
    took = clock.take()
    assert took["score"] > 20 * took["decide"]
    assert dict.fromkeys(took, 0) == clock.take()


def test_the_clocks_are_taken_off_again() -> None:
    """Also from methods that a class has of its base."""
    before = [getattr(owner, name) for stage in STAGES for owner, name in stage.methods]
    own = [name in owner.__dict__ for stage in STAGES for owner, name in stage.methods]
    with timed():
        pass
    assert before == [getattr(owner, name) for stage in STAGES for owner, name in stage.methods]
    assert own == [name in owner.__dict__ for stage in STAGES for owner, name in stage.methods]


def test_the_stages_hold_nearly_all_of_a_tick() -> None:
    """What is in none of them would be nowhere in the profile."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = run(whole_tick(Path(one), 300))
        quiet, _ = run(busy(Path(other), 300))
    assert sum(quiet.values()) > 0.6 * whole
