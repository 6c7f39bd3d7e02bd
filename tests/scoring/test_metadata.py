"""Metadata: what it knows of itself, and files that are no files."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from daemon.scoring.metadata import (
    MODEL_BYTES_MAX,
    ModelRefused,
    TrainingQuantiles,
    TrainingRange,
    file_sha256,
    read_file,
)
from tests.scoring.model_folder import metadata


def test_metadata_without_the_later_keys_is_of_lightgbm() -> None:
    """What was written before there were other kinds still means what it meant."""
    content = msgspec.to_builtins(metadata())
    for key in ("kind", "output", "ranges", "sequence_length", "quantiles"):
        del content[key]
    assert metadata() == msgspec.convert(content, type=type(metadata()))


def test_the_fingerprint_of_one_file_is_that_file_s() -> None:
    """Journals and evidence that know a model by its file's hash go on knowing it."""
    assert metadata().files["model.txt"] == metadata().fingerprint


def test_the_fingerprint_of_several_files_is_of_all() -> None:
    """With a calibrator both hashes count, in whatever order they are listed."""
    files = {"model.txt": "1" * 64, "calibrator.json": "2" * 64}
    one = msgspec.structs.replace(metadata(), files=files)
    other = msgspec.structs.replace(metadata(), files=dict(reversed(files.items())))
    changed = msgspec.structs.replace(metadata(), files={**files, "calibrator.json": "3" * 64})
    expected = file_sha256(f"calibrator.json:{'2' * 64}\nmodel.txt:{'1' * 64}\n".encode())
    assert (expected, expected) == (one.fingerprint, other.fingerprint)
    assert expected != changed.fingerprint


def test_what_only_the_metadata_says_counts_too() -> None:
    """Wider ranges trade where evidence said no; a network's columns have their names from nowhere else."""
    known = TrainingRange(q001=0.1, q999=0.9)
    plain, network = (
        metadata(),
        msgspec.structs.replace(metadata(), kind="onnx", files={"model.onnx": "1" * 64}),
    )
    found = [
        plain,
        msgspec.structs.replace(plain, ranges={"mid": known}),
        msgspec.structs.replace(plain, ranges={"mid": TrainingRange(q001=0.0, q999=0.9)}),
        msgspec.structs.replace(plain, ranges={"spread": known}),
        msgspec.structs.replace(plain, ranges={"mid": known}, required=()),
        msgspec.structs.replace(plain, quantiles={"mid": TrainingQuantiles(cuts=(), shares=(1.0,))}),
        msgspec.structs.replace(plain, quantiles={"mid": TrainingQuantiles(cuts=(1.0,), shares=(0.5, 0.5))}),
        network,
        msgspec.structs.replace(network, feature_schema_sha256="2" * 64),
    ]
    assert len(found) == len({one.fingerprint for one in found})


def test_an_expiry_is_an_instant() -> None:
    """Nanoseconds since 1970; None for never."""
    assert metadata().expiry is None
    dated = msgspec.structs.replace(metadata(), expires_at="1970-01-02T00:00:00Z")
    assert 86_400 * 10**9 == dated.expiry


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """What is within the bound comes back byte by byte."""
    path = tmp_path / "x"
    path.write_bytes(b"a\x00b")
    assert b"a\x00b" == read_file(path)


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    """A file beyond 64 MiB is refused, naming the bound."""
    path = tmp_path / "model.txt"
    with path.open("wb") as file:
        file.truncate(MODEL_BYTES_MAX + 1)
    with pytest.raises(ModelRefused, match=r"model\.txt: larger than 67108864 bytes"):
        read_file(path)


def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    """What would be waited for, or can't be read, is refused at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(ModelRefused, match=f"{name}: is not a regular file"):
            read_file(tmp_path / name)


def test_a_device_without_an_end_is_refused(tmp_path: Path) -> None:
    """A link to a device is no file either."""
    (tmp_path / "model.txt").symlink_to("/dev/zero")
    with pytest.raises(ModelRefused, match="is not a regular file"):
        read_file(tmp_path / "model.txt")
