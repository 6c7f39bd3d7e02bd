"""The models that `[model]` names: by slot, with the fingerprint of what is traded; from a journal too."""

from __future__ import annotations

import shutil
from math import exp
from pathlib import Path

import msgspec
import pytest
import structlog

from daemon.assembly import ModelRef, Setup, build_engine, setup_of
from daemon.config import Config, parse_config
from daemon.core.models import CHALLENGER, DEFAULT, FALLBACK
from daemon.model_slots import load_models, models_of_setup, start_models, traded_sha256
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.registry import load_model
from daemon.scoring.source import RegistrySource
from tests.scoring.kinds import stacked, structural
from tests.scoring.model_versions import write_version

TEXT = """
[model]
path = "toy/1"
challenger = "toy/3"
named = { slow = "toy/2" }
[strategies.fair_value]
enabled = true
series = ["KXBTC15M"]
"""


def config(root: Path, text: str = TEXT) -> Config:
    """The configuration of a registry with three models."""
    for version in (1, 2, 3):
        if not (root / "toy" / str(version)).exists():
            write_version(root, version, expires_at=f"204{version}-01-01T00:00:00Z")
    return parse_config("config.toml", text, root)


def test_each_model_has_its_slot(tmp_path: Path) -> None:
    """The default, the named ones, the challenger; each as the journal names it."""
    slotted = load_models(config(tmp_path))
    assert [DEFAULT, "slow", CHALLENGER] == list(slotted.refs) == list(slotted.models)
    for (slot, ref), version in zip(slotted.refs.items(), "123", strict=True):
        metadata = load_model(tmp_path / "toy" / version).metadata
        expected = ModelRef(f"toy/{version}", "toy", version, metadata.fingerprint, metadata.expiry, slot)
        assert (expected, expected.sha256) == (ref, slotted.models[slot].sha256)
    assert (slotted.refs[DEFAULT], ("slow", CHALLENGER)) == (
        slotted.default,
        tuple(ref.slot for ref in slotted.others),
    )


def test_a_child_looks_at_each_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other process can begin, nothing is loaded here unseen."""
    there = config(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError, match="gone"):
        load_models(there)


@pytest.mark.parametrize("key", ["path", "challenger"])
def test_a_folder_that_is_refused_refuses_all(tmp_path: Path, key: str) -> None:
    """Named: nothing starts with half of what it was told to."""
    text = f'[model]\npath = "toy/1"\n{key} = "toy/9"\n' if key != "path" else '[model]\npath = "toy/9"\n'
    with pytest.raises(ModelRefused, match="toy/9"):
        load_models(config(tmp_path, text))


def test_a_strategy_reads_the_model_that_its_table_names(tmp_path: Path) -> None:
    """Through setup and engine; the challenger is there, and read by nobody."""
    there = config(tmp_path, TEXT + 'model = "slow"\n')
    slotted = load_models(there)
    setup = setup_of(there, slotted.default, 1, others=slotted.others)
    engine = build_engine(setup, slotted.models)
    (slot,) = engine.slots
    assert "slow" == slot.model
    assert "2" == getattr(engine.models.slot_of("fair_value").model, "scorer").version  # noqa: B009
    assert engine.models.challenger.model is slotted.models[CHALLENGER]


def test_a_journal_brings_all_its_models_back(tmp_path: Path) -> None:
    """From the header, each by its fingerprint, with the expiry that it had then."""
    there = config(tmp_path)
    slotted = load_models(there)
    setup = setup_of(there, slotted.default, 1, others=slotted.others)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(setup), type=Setup)
    assert setup == again
    moved = [tmp_path / "toy" / version for version in "123"]
    models = models_of_setup(again, RegistrySource(moved, load_model))
    assert {slot: (one.sha256, one.expires_at) for slot, one in slotted.models.items()} == {
        slot: (one.sha256, one.expires_at) for slot, one in models.items()
    }
    other = msgspec.structs.replace(setup, others=(msgspec.structs.replace(setup.others[0], sha256="0"),))
    with pytest.raises(ModelRefused, match="scored by toy/2 with sha256 0"):
        models_of_setup(other, RegistrySource(moved, load_model))


def test_a_journal_of_before_has_one_model() -> None:
    """Its header says nothing of slots: the default scored."""
    ref = msgspec.convert({"path": "p", "name": "n", "version": "1", "sha256": "s"}, ModelRef)
    assert (DEFAULT, None) == (ref.slot, ref.expires_at)
    assert () == {field.name: field.default for field in msgspec.structs.fields(Setup)}["others"]


def test_the_fingerprint_is_of_what_is_traded(tmp_path: Path) -> None:
    """The default's own, until an enabled strategy reads another one; the challenger never counts."""
    alone = config(tmp_path)
    refs = load_models(alone).refs
    assert refs[DEFAULT].sha256 == traded_sha256(alone, refs)
    both = config(tmp_path, TEXT + 'model = "slow"\n')
    fingerprint = traded_sha256(both, refs)
    assert fingerprint != refs[DEFAULT].sha256
    changed = {**refs, "slow": msgspec.structs.replace(refs["slow"], sha256="0")}
    assert fingerprint != traded_sha256(both, changed)
    measured = {**refs, CHALLENGER: msgspec.structs.replace(refs[CHALLENGER], sha256="0")}
    assert fingerprint == traded_sha256(both, measured)
    disabled = config(tmp_path, TEXT.replace("true", "false") + 'model = "slow"\n')
    assert refs[DEFAULT].sha256 == traded_sha256(disabled, refs)


def test_what_is_absent_of_an_ensemble_is_said(tmp_path: Path) -> None:
    """A run starts without a member, and logs which; loading alone says it to whoever asked."""
    members = [structural(tmp_path, lambda _: 0.5, name=name, rows=[(0.0,)] * 16) for name in ("a", "b")]
    stacked(
        tmp_path, members, [1.0, 1.0], lambda _: 1 / (1 + exp(0.1)),
        names=["strike_distance_sigma"], rows=[(0.0,)] * 16,
    )  # fmt: skip
    there = config(tmp_path, '[model]\npath = "a-ensemble/1"\n')
    assert () == load_models(there).absent
    shutil.rmtree(tmp_path / "b")
    expected = f"{tmp_path}/b/1: is not there"
    with structlog.testing.capture_logs() as logged:
        assert (expected,) == start_models(there).absent
    assert [("model.member_absent", expected)] == [(one["event"], one["reason"]) for one in logged]


def test_a_fallback_may_move_money_and_so_counts(tmp_path: Path) -> None:
    """Loaded under its own name, in the journal's header and in what evidence is about."""
    there = config(tmp_path, TEXT.replace("[model]", '[model]\nfallback = "toy/2"'))
    slotted = load_models(there)
    assert [DEFAULT, "slow", CHALLENGER, FALLBACK] == list(slotted.refs)
    without = load_models(config(tmp_path))
    assert traded_sha256(there, slotted.refs) != traded_sha256(there, without.refs)
    setup = setup_of(there, slotted.default, 1, others=slotted.others)
    again = models_of_setup(
        setup, RegistrySource([tmp_path / "toy" / number for number in "123"], load_model)
    )
    assert slotted.models[FALLBACK].sha256 == again[FALLBACK].sha256
    assert [DEFAULT, "slow", CHALLENGER] == list(build_engine(setup, again).models.slots)
