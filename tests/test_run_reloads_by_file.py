"""Reloads by a change of the file: an editor at work is waited for, and what is wrong is told once."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from daemon import run_reloads
from daemon.core.units import QTY_ONE
from daemon.run_reloads import reload_unasked
from daemon.shell import file_watch, log
from daemon.shell.metrics import Metrics
from tests.run_rig import LivingRun, living
from tests.shell.orders import until
from tests.shell.reload_load import Load, reload_under_load
from tests.shell.reload_rig import WATCHED, Daemon


@pytest.fixture(autouse=True)
def _log_is_given_back() -> Iterator[None]:
    """A reload sets the level of the whole process."""
    yield
    structlog.reset_defaults()


class Watched:
    """A run whose file is watched, twenty times a second, and its log."""

    def __init__(self, subject: LivingRun) -> None:
        self.daemon = subject.daemon
        self.metrics: Metrics = subject.daemon.metrics
        self.stream = io.StringIO()
        self._writer = log.configure(stream=self.stream)

    def write(self, text: str) -> None:
        """Write the file as an editor does: another one, renamed over it."""
        other = self.daemon.path.with_suffix(".new")
        other.write_text(text)
        other.replace(self.daemon.path)

    def text(self, **changes: object) -> str:
        """The file with these values, watched."""
        self.daemon.write("", top=WATCHED, **changes)
        return self.daemon.path.read_text()

    @property
    def said(self) -> list[str]:
        """What was said of reloads, in words: who asked, and what came of it."""
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [
            f"{one['by']} {one['event'].partition('.')[2]} {one.get('outcome', '')}".strip()
            for one in lines
            if one["event"].startswith("config.")
        ]


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_reloads, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(file_watch, "QUIET_S", 0.1)


async def watched(subject: LivingRun, stack: AsyncExitStack) -> Watched:
    """Switch the watching on, by a reload, and wait until the file was looked at."""
    rig = Watched(subject)
    await subject.reload(top=WATCHED)
    reload_unasked(subject.reloads, subject.run, stack)
    await until(lambda: rig.said[1:] == ["file reloaded unchanged"])
    return rig


async def test_a_change_of_the_file_is_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very same one; a limit that loosens still waits for the second word, and no file says it."""
    quick(monkeypatch)
    async with living(tmp_path) as subject, AsyncExitStack() as stack:
        rig = await watched(subject, stack)
        limits = subject.daemon.engine.config.limits
        assert 100 * QTY_ONE == limits.order_qty_max
        rig.write(rig.text(order_contracts_max=60))
        await until(lambda: rig.said[2:] == ["file reloaded applied"])
        assert 60 * QTY_ONE == subject.daemon.engine.config.limits.order_qty_max
        rig.write(rig.text(order_contracts_max=90))
        await until(lambda: rig.said[3:] == ["file reload_unconfirmed"])
        assert 60 * QTY_ONE == subject.daemon.engine.config.limits.order_qty_max


async def test_what_is_wrong_is_told_once_and_what_was_put_back_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the same is saved; the metric says that the file is not what is in force."""
    quick(monkeypatch)
    async with living(tmp_path) as subject, AsyncExitStack() as stack:
        rig = await watched(subject, stack)
        good = rig.text()
        for _ in range(2):
            rig.write(good + "nonsense\n")
            await until(lambda: len(rig.said) == 3)
            await asyncio.sleep(0.2)
        assert ["file reload_refused"] == rig.said[2:]
        assert not rig.metrics.is_config_loaded
        rig.write(good)
        await until(lambda: rig.said[3:] == ["file reloaded unchanged"])
        assert rig.metrics.is_config_loaded


async def test_an_editor_at_work_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file, no file, renames: nothing is refused, and only the last content is tried."""
    quick(monkeypatch)
    async with living(tmp_path) as subject, AsyncExitStack() as stack:
        rig = await watched(subject, stack)
        path, text = subject.daemon.path, rig.text(order_contracts_max=60)
        for number in range(1, 12):
            path.write_text(text[: len(text) * number // 12])
            await asyncio.sleep(0.03)
            path.unlink()
            await asyncio.sleep(0.03)
        rig.write(text)
        await until(lambda: len(rig.said) > 2)
        assert ["file reloaded applied"] == rig.said[2:]
        assert 60 * QTY_ONE == subject.daemon.engine.config.limits.order_qty_max


async def test_a_change_that_the_core_has_not_come_to_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pump that stands still for a while loses no edit, and nobody has to save it twice."""
    quick(monkeypatch)
    monkeypatch.setattr("daemon.shell.reloads.TAKEN_WITHIN_S", 0.05)
    async with living(tmp_path) as subject, AsyncExitStack() as stack:
        rig = await watched(subject, stack)
        subject.daemon.free.clear()
        rig.write(rig.text(order_contracts_max=60))
        await until(lambda: rig.said[2:3] == ["file reload_refused"])
        rig.write(rig.text(order_contracts_max=50))
        await asyncio.sleep(0.3)
        subject.daemon.free.set()
        await until(lambda: len(rig.said) == 5)
        assert ["the core reloaded applied late", "file reloaded applied"] == rig.said[3:]
        assert 50 * QTY_ONE == subject.daemon.engine.config.limits.order_qty_max


async def test_without_the_key_the_file_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is off unless somebody asks, and goes off by the file that says so."""
    quick(monkeypatch)
    async with living(tmp_path) as subject, AsyncExitStack() as stack:
        rig = await watched(subject, stack)
        subject.daemon.write(order_contracts_max=60)  # and the key is gone
        await until(lambda: rig.said[2:] == ["file reloaded applied"])
        subject.daemon.write(order_contracts_max=50)
        await asyncio.sleep(0.3)
        assert 3 == len(rig.said)
        assert 60 * QTY_ONE == subject.daemon.engine.config.limits.order_qty_max


async def change_the_file(daemon: Daemon, number: int) -> None:
    """Change the file, as an editor does, to one that tightens, and wait until it is in force."""
    if number % 10 == 7:
        daemon.path.write_text("nonsense\n")
        await until(lambda: not daemon.metrics.is_config_loaded)
    allowed = 5_000 - number
    daemon.write(top=WATCHED, order_contracts_max=allowed, edge_min=0.02 + number % 2 / 100)
    await until(lambda: allowed * QTY_ONE == daemon.engine.config.limits.order_qty_max)


async def loaded_by_the_file(root: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Change the file so many times under load."""
    monkeypatch.setattr(run_reloads, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(file_watch, "QUIET_S", 0.002)
    async with living(root, is_wide=True, within_s=1_200) as subject, AsyncExitStack() as stack:
        await subject.reload(top=WATCHED, order_contracts_max=6_000)
        reload_unasked(subject.reloads, subject.run, stack)
        return await reload_under_load(subject.daemon, change_the_file, times)


async def test_changes_of_the_file_under_load_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message, no window; and a replay of it decides the same."""
    await loaded_by_the_file(tmp_path, 10, monkeypatch)


@pytest.mark.full
async def test_a_thousand_changes_of_the_file_under_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, and what is in memory does not grow with their number."""
    load = await loaded_by_the_file(tmp_path, 1_000, monkeypatch)
    print(load)  # noqa: T201 - the figures of the full run
    assert load.objects_grown < 1_000
    assert load.bytes_grown < 16 * 1024 * 1024
