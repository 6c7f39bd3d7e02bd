"""From a folder to the core: what its metadata says comes along; a journal's model is known by sha256."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.events import ModelSwapped
from daemon.core.models import Model, Range
from daemon.core.stability import Bins
from daemon.core.units import SECOND
from daemon.scoring.metadata import ModelRefused, TrainingQuantiles, TrainingRange
from daemon.scoring.registry import load_model
from daemon.scoring.source import HandedModels, RegistrySource, core_model
from tests.scoring.model_folder import scorer
from tests.scoring.model_versions import write_version


def swapped(folder: Path, sha256: str) -> ModelSwapped:
    """The event of a swap to a folder's model."""
    return ModelSwapped("default", str(folder), "toy", folder.name, sha256, 1)


def test_what_the_metadata_says_comes_along(tmp_path: Path) -> None:
    """Its fingerprint, when it expires, and between which values its features lay."""
    folder = write_version(
        tmp_path,
        2,
        expires_at="1970-01-01T00:00:09Z",
        ranges={"mid": TrainingRange(q001=0.1, q999=0.9)},
        quantiles={"mid": TrainingQuantiles(cuts=(0.5,), shares=(0.4, 0.6))},
    )
    loaded = load_model(folder)
    model = core_model(loaded)
    expected = (loaded.metadata.fingerprint, 9 * SECOND, (Range("mid", 0.1, 0.9),))
    assert expected == (model.sha256, model.expires_at, model.ranges)
    assert (Bins("mid", (0.5,), (0.4, 0.6)),) == model.bins
    assert model.scorer is loaded.scorer


def test_a_handed_model_is_taken_once() -> None:
    """By its fingerprint; of another one nobody knows."""
    handed, model = HandedModels(), Model(scorer(), "a")
    handed.hand(model)
    assert handed.get(swapped(Path("x"), "b")) is None
    assert handed.get(swapped(Path("x"), "a")) is model
    assert handed.get(swapped(Path("x"), "a")) is None


def test_the_same_model_told_twice_is_there_for_both_events() -> None:
    """The core may be behind by two swaps; a replay has a model for each."""
    handed, one, other = HandedModels(), Model(scorer(), "a"), Model(scorer(), "a")
    handed.hand(one)
    handed.hand(other)
    event = swapped(Path("x"), "a")
    assert [one, other, None] == [handed.get(event), handed.get(event), handed.get(event)]


def test_a_journals_model_is_loaded_from_its_folder_or_from_where_it_moved(tmp_path: Path) -> None:
    """The first that has the fingerprint."""
    one, two = write_version(tmp_path / "a", 1), write_version(tmp_path / "b", 2)
    sha256 = load_model(two).metadata.fingerprint
    found = RegistrySource(load=load_model).get(swapped(two, sha256))
    assert ("2", sha256) == (found.scorer.version, found.sha256)
    gone = tmp_path / "gone" / "toy" / "2"
    assert sha256 == RegistrySource([one, two], load_model).get(swapped(gone, sha256)).sha256


def test_a_model_that_is_not_found_is_refused_with_all_that_was_looked_at(tmp_path: Path) -> None:
    """A replay with another model would prove nothing."""
    one = write_version(tmp_path, 1)
    source = RegistrySource([tmp_path / "nowhere"], load_model)
    with pytest.raises(
        ModelRefused, match=r"scored by toy/1 with sha256 abc: .*nowhere.*toy/1: its sha256 is"
    ):
        source.get(swapped(one, "abc"))
