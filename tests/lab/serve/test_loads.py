"""Models are vetted before they are loaded, kept while they are asked, and refused with a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs the extra `lab`")

from daemon.core.units import parse_instant
from daemon.lab.serve import loads as module
from daemon.lab.serve.bodies import Refused
from daemon.lab.serve.loads import Loads
from daemon.lab.serve.shelf import choose, read_shelf
from daemon.scoring.metadata import METADATA_FILE
from tests.lab.serve.made_registry import normal
from tests.scoring.kinds import edit, structural


async def test_a_model_is_loaded_once(tmp_path: Path) -> None:
    """Of requests at one time too; the second has the very same scorer."""
    folder = structural(tmp_path, normal)
    entry, _ = choose(read_shelf(tmp_path), None)
    loads = Loads(tmp_path)
    async with asyncio.timeout(30):
        first, second = await asyncio.gather(loads.load(entry, 0), loads.load(entry, 0))
    assert first.scorer is second.scorer
    assert (folder, normal((0.5,))) == (first.folder, first.scorer.score((0.5,)))


async def test_who_is_loaded_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger that hangs while it is looked at keeps no other from answering."""
    for name in ("one", "two"):
        structural(tmp_path, normal, name=name)
    entries = {entry.model: entry for entry in read_shelf(tmp_path).entries}
    loads = Loads(tmp_path)
    async with asyncio.timeout(30):
        await loads.load(entries["one/1"], 0)
        monkeypatch.setattr(module, "load_vetted_async", lambda *_: asyncio.Event().wait())
        hanging = asyncio.create_task(loads.load(entries["two/1"], 0))
        await asyncio.sleep(0)
        assert entries["one/1"].folder == (await loads.load(entries["one/1"], 0)).folder
        assert not hanging.done()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging


async def test_a_model_that_the_daemon_would_refuse_answers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told without the registry's path; when it is whole again, it answers."""
    folder = structural(tmp_path, normal)
    content = (folder / "structural.json").read_bytes()
    (folder / "structural.json").write_bytes(content + b" ")
    entry, _ = choose(read_shelf(tmp_path), None)
    loads = Loads(tmp_path)
    async with asyncio.timeout(60):
        for _ in range(2):
            with pytest.raises(
                Refused, match=r"a-structural/1 can't answer: a-structural/1/.*sha256"
            ) as caught:
                await loads.load(entry, 0)
            assert (503, ["a-structural/1"]) == (caught.value.status, list(loads.refusals))
        (folder / "structural.json").write_bytes(content)
        monkeypatch.setattr(module, "REFUSED_FOR_S", 0.0)
        assert entry.folder == (await loads.load(entry, 0)).folder
    assert {} == loads.refusals


async def test_what_changed_after_it_was_read_is_not_taken_for_it(tmp_path: Path) -> None:
    """The metadata that was listed is the one that answers."""
    folder = structural(tmp_path, normal)
    entry, _ = choose(read_shelf(tmp_path), None)
    edit(folder, notes="another")
    async with asyncio.timeout(30):
        with pytest.raises(Refused, match="has changed since the registry was read"):
            await Loads(tmp_path).load(entry, 0)
    assert (folder / METADATA_FILE).exists()


async def test_an_expired_model_answers_nothing(tmp_path: Path) -> None:
    """From that instant on."""
    structural(tmp_path, normal, expires_at="2027-01-01T00:00:00Z")
    entry, _ = choose(read_shelf(tmp_path), None)
    loads, end = Loads(tmp_path), parse_instant("2027-01-01T00:00:00Z")
    async with asyncio.timeout(30):
        assert entry.folder == (await loads.load(entry, end - 1)).folder
        with pytest.raises(Refused, match="is expired since 2027-01-01"):
            await loads.load(entry, end)


async def test_only_so_many_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one asked least lately is loaded anew when it is asked again."""
    monkeypatch.setattr(module, "LOADED_MAX", 1)
    for name in ("one", "two"):
        structural(tmp_path, normal, name=name)
    entries = {entry.model: entry for entry in read_shelf(tmp_path).entries}
    loads = Loads(tmp_path)
    async with asyncio.timeout(30):
        first = await loads.load(entries["one/1"], 0)
        await loads.load(entries["two/1"], 0)
        assert first is not await loads.load(entries["one/1"], 0)
