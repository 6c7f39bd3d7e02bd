"""The models that `[model]` names, loaded; what scores in which slot, and the fingerprint of it."""

from __future__ import annotations

import hashlib

import msgspec
import structlog

from daemon.assembly import ModelRef, Setup
from daemon.config import Config
from daemon.core.models import CHALLENGER, DEFAULT, FALLBACK, Model
from daemon.scoring.source import RegistrySource, core_model
from daemon.scoring.vetting import load_vetted

log = structlog.get_logger(__name__)


class SlottedModels(msgspec.Struct, frozen=True):
    """All models of a run, by slot: how the journal names them, and loaded."""

    refs: dict[str, ModelRef]
    models: dict[str, Model]
    absent: tuple[str, ...] = ()
    """Why members of ensembles are not here, one sentence each."""

    @property
    def default(self) -> ModelRef:
        """The default one."""
        return self.refs[DEFAULT]

    @property
    def others(self) -> tuple[ModelRef, ...]:
        """All but the default one."""
        return tuple(ref for slot, ref in self.refs.items() if slot != DEFAULT)


def load_models(config: Config) -> SlottedModels:
    """Return the models that a configuration names, each loaded after a child process has looked at it.

    Raises:
        ModelRefused: one of the folders isn't what it says; the message names it.
    """
    paths = {DEFAULT: config.model.path, **dict(sorted(config.model.named.items()))}
    if config.model.challenger:
        paths[CHALLENGER] = config.model.challenger
    if config.model.fallback:
        paths[FALLBACK] = config.model.fallback
    refs, models = {}, {}
    absent: list[str] = []
    for slot, path in paths.items():
        loaded = load_vetted(config.path(path))
        absent += loaded.absent
        model = models[slot] = core_model(loaded)
        name, version = loaded.metadata.name, loaded.metadata.version
        refs[slot] = ModelRef(path, name, version, model.sha256, model.expires_at, slot)
    return SlottedModels(refs, models, tuple(absent))


def start_models(config: Config) -> SlottedModels:
    """As `load_models`, for a run: what is absent of an ensemble is logged."""
    slotted = load_models(config)
    for reason in slotted.absent:
        log.warning("model.member_absent", reason=reason)
    return slotted


def models_of_setup(setup: Setup, source: RegistrySource) -> dict[str, Model]:
    """Return the models that a journal's header names, with the expiry that they had then.

    Raises:
        ModelRefused: one is not found, or is not what scored.
    """
    models = {}
    for ref in (setup.model, *setup.others):
        model = source.find(ref.path, ref.name, ref.version, ref.sha256)
        models[ref.slot] = msgspec.structs.replace(model, expires_at=ref.expires_at)
    return models


def traded_sha256(config: Config, refs: dict[str, ModelRef]) -> str:
    """Return the fingerprint of all models that may move money: what evidence and checks are about.

    That of the default alone where no enabled strategy reads another one and there is no fallback; the
    challenger never counts.
    """
    named = sorted({table.model for table in config.strategies if table.enabled and table.model})
    if FALLBACK in refs:
        named.append(FALLBACK)
    if not named:
        return refs[DEFAULT].sha256
    lines = "".join(f"{slot}:{refs[slot].sha256}\n" for slot in (DEFAULT, *named))
    return hashlib.sha256(lines.encode()).hexdigest()
