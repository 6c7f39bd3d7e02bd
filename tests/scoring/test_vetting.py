"""Tampered folders: each kind is refused with its reason by the child process, and this one goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from daemon.scoring.metadata import METADATA_FILE, MODEL_BYTES_MAX, MODEL_FILE, ModelRefused
from daemon.scoring.vetting import Vetted, load_vetted, load_vetted_async, vet_model, vet_model_async
from tests.scoring.kinds import NETWORK, edit, network, rewrite, write_folder
from tests.scoring.model_folder import metadata, model_text, write_model
from tests.scoring.onnx_bytes import endless, enormous, logistic
from tests.scoring.test_lightgbm_text import KILLERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is what it says."""
    return write_model(tmp_path, metadata())


def half(row: Sequence[float | None]) -> float:
    return 0.5


def test_a_true_folder_is_vouched_for(folder: Path) -> None:
    """The verdict names the model and pins its metadata; loaded here it scores as it did there."""
    vetted = vet_model(folder)
    model = load_vetted(folder)
    expected = Vetted("toy", "1", "lightgbm", model.metadata_sha256)
    frozen = metadata().frozen_rows[0]
    assert (expected, frozen.expected) == (vetted, model.scorer.score(frozen.row))


async def test_it_is_vouched_for_without_blocking(folder: Path) -> None:
    """The other form gives the same verdict and the same model, while the loop turns."""
    async with asyncio.timeout(30):
        vetting = asyncio.create_task(vet_model_async(folder))
        turns = 0
        while not vetting.done():
            await asyncio.sleep(0.001)
            turns += 1
        loaded = await load_vetted_async(folder)
    assert vet_model(folder) == await vetting
    assert load_vetted(folder).metadata_sha256 == loaded.metadata_sha256
    assert turns > 1


def _digit_changed(text: bytes) -> bytes:
    """Of the same length, in one leaf's value."""
    return re.sub(rb"(?<=\nleaf_value=)-?0\.", lambda match: match[0].replace(b"0.", b"1."), text, count=1)


TAMPERED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a digit is changed": (lambda: _digit_changed(model_text()), r"metadata\.json: frozen row \d+ gives"),
    "cut in the middle": (
        lambda: model_text()[: len(model_text()) // 2],
        r"model\.txt: has no 'end of trees'",
    ),
    "other features": (
        lambda: model_text().replace(b"mid spread", b"spread mid", 1),
        r"model\.txt: feature 0 is 'spread', expected 'mid'",
    ),
    "another objective": (
        lambda: model_text().replace(b"binary sigmoid:1", b"binary sigmoid:2", 1),
        r"model\.txt: objective is 'binary sigmoid:2', expected 'binary sigmoid:1'",
    ),
    "huge": (lambda: model_text() + b"\n" * MODEL_BYTES_MAX, r"model\.txt: larger than 67108864 bytes"),
    "empty": (lambda: b"", r"model\.txt: is no model of trees"),
    **{
        name: (make, rf"model\.txt: .*{re.escape(message)}")
        for name, (make, message) in KILLERS.items()
        if name in ("hang: children in a circle", "abort: too many leaves", "segfault: a child that is not")
    },
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_text_is_refused_although_its_hash_fits(folder: Path, name: str) -> None:
    """Each kind is refused with its reason, file and place, and a true model still loads here afterwards."""
    make, message = TAMPERED[name]
    true = metadata().frozen_rows[0]
    rewrite(folder, MODEL_FILE, make())
    with pytest.raises(ModelRefused, match=message):
        vet_model(folder)
    (folder / MODEL_FILE).write_bytes(model_text())
    edit(folder, files=metadata().files)
    assert true.expected == load_vetted(folder).scorer.score(true.row)


@pytest.mark.parametrize("name", [MODEL_FILE, METADATA_FILE])
def test_a_file_that_lost_its_end_is_refused(folder: Path, name: str) -> None:
    """Without a fitting hash it is the hash that says so, and metadata that is no JSON says where it ends."""
    path = folder / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelRefused, match=rf"{re.escape(name)}: (sha256 is|Input data was truncated)"):
        vet_model(folder)


def test_a_wrong_schema_is_refused(folder: Path) -> None:
    """A feature of another meaning than this daemon computes is named."""
    entries = [*map(dict, _entries(folder))]
    entries[2]["window_s"] = 7
    edit(folder, feature_schema=entries)
    with pytest.raises(ModelRefused, match=r"feature 'ofi_1s' is .* expected"):
        vet_model(folder)


def _entries(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = msgspec.json.decode((folder / METADATA_FILE).read_bytes())[
        "feature_schema"
    ]
    return found


def test_a_network_that_never_ends_is_refused_by_the_clock(tmp_path: Path) -> None:
    """No check of the file can know that it would hang: the child is ended after its time."""
    folder = write_folder(tmp_path, "onnx", NETWORK, endless(len(NETWORK)), half)
    with pytest.raises(ModelRefused, match="looking at it took longer than 3 s"):
        vet_model(folder, timeout_s=3)


@pytest.mark.parametrize("gigabytes", [2, 32])
def test_a_network_that_takes_all_memory_is_refused(tmp_path: Path, gigabytes: int) -> None:
    """A child has a gigabyte to itself; what asks for more gets an error, and no score."""
    folder = write_folder(tmp_path, "onnx", NETWORK, enormous(len(NETWORK), gigabytes), half)
    with pytest.raises(ModelRefused, match="frozen row 0 has no score"):
        vet_model(folder)


async def test_a_child_that_dies_has_no_verdict(tmp_path: Path) -> None:
    """A library that aborts ends the child and not us: the refusal names the signal."""
    folder = write_folder(tmp_path, "onnx", NETWORK, endless(len(NETWORK)), half)
    async with asyncio.timeout(30):
        before = _children()
        vetting = asyncio.create_task(vet_model_async(folder))
        os.kill(await _born(before), signal.SIGABRT)
        with pytest.raises(ModelRefused, match="ended by SIGABRT, without a verdict"):
            await vetting


async def test_a_check_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    """Whoever stops waiting stops the child."""
    folder = write_folder(tmp_path, "onnx", NETWORK, endless(len(NETWORK)), half)
    async with asyncio.timeout(30):
        before = _children()
        vetting = asyncio.create_task(vet_model_async(folder))
        await _born(before)
        vetting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await vetting
    assert set() == _children() - before


async def _born(before: set[int]) -> int:
    """Wait for a process that was not there before."""
    while not (born := _children() - before):  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.01)
    return born.pop()


def _children() -> set[int]:
    """The processes that this one has started and not yet waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


async def test_the_clock_ends_the_other_form_too(tmp_path: Path) -> None:
    """A child that hangs is ended, and was waited for."""
    folder = network(tmp_path, half)
    before = _children()
    with pytest.raises(ModelRefused, match=r"took longer than 0\.01 s"):
        await vet_model_async(folder, timeout_s=0.01)
    assert set() == _children() - before


def test_the_child_knows_nothing_of_our_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in our environment is nothing for a library that reads a stranger's file."""
    monkeypatch.setenv("PYTHONHASHSEED", "not a number")  # with it no interpreter starts
    assert "toy" == vet_model(folder).name


def test_what_changed_after_the_check_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict pins the metadata: another one, however true, is refused."""
    vetted = vet_model(folder)
    edit(folder, notes="exchanged in between")
    monkeypatch.setattr("daemon.scoring.vetting.vet_model", lambda *_: vetted)
    with pytest.raises(ModelRefused, match=f"sha256 is .*, expected {vetted.metadata_sha256}"):
        load_vetted(folder)


def test_a_network_is_vouched_for_within_the_limits(tmp_path: Path) -> None:
    """The limits leave room for what onnxruntime takes."""
    folder = write_folder(tmp_path, "onnx", NETWORK, logistic([0.0] * 4, 0.0, (1, 4)), half)
    assert "onnx" == vet_model(folder).kind


def test_what_lies_in_the_working_folder_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `daemon` of somebody else's there is not ours."""
    (tmp_path / "daemon.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "toy" == vet_model(folder).name
