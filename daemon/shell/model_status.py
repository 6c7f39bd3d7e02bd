"""How each model stands: how it does against the mid, whether its world drifts, and what follows from it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from daemon.core.drift_record import Alarm, Interval, Verdict
from daemon.core.drift_watch import SURE_Z, DriftWatch
from daemon.core.model_slot import CHALLENGER, ModelSlot
from daemon.core.models import Models
from daemon.core.units import Ns

PSI_SHOWN = 3
STATES: dict[Verdict, float] = {"steady": 0.0, "warn": 1.0, "alarm": 2.0}

Role: TypeAlias = Literal["traded", "challenger"]


class ModelStatus(msgspec.Struct, frozen=True):
    """One slot. Instants are Unix ns; what isn't known, or isn't watched, is None or empty.

    `outcomes` are independent ones, of events; `brier`, `excess` (Brier less the mid's, with its 95 %
    interval), `expected` (the mean probability), `paid` (the mean outcome) and `z` are of the last window of
    them. `psi` are (feature, index), the highest first. `since` is None where the verdict never changed.
    """

    slot: str
    role: Role
    model: str | None
    sha256: str | None
    trained_until: Ns | None
    expires_at: Ns | None
    scores: int
    scores_out_of_range: int
    outcomes: int
    brier: float | None
    excess: Interval | None
    expected: float | None
    paid: float | None
    z: float | None
    psi: list[tuple[str, float]]
    verdict: Verdict | None
    since: Ns | None
    reasons: list[str]
    demoted: Alarm | None
    """The model that was taken out of the slot, and why."""
    follows: str
    """What follows from the verdict, in words."""


class ModelsStatus(msgspec.Struct, frozen=True):
    """All slots, as of `at`."""

    at: Ns
    models: list[ModelStatus]


def models_status(models: Models, now: Ns) -> ModelsStatus:
    """Return how all slots stand that have a model."""
    return ModelsStatus(now, [_status(models, slot) for slot in models.slots.values() if slot.model])


def drift_states(models: Models) -> dict[str, float]:
    """Return by slot 0 for steady, 1 for warned, 2 for alarmed or taken out; none for what isn't watched."""
    drift = models.drift
    states = {name: STATES[watch.verdict] for name, watch in drift.watches.items()}
    return states | dict.fromkeys(drift.demoted, STATES["alarm"])


def _status(models: Models, slot: ModelSlot) -> ModelStatus:
    drift, model = models.drift, slot.model
    assert model is not None, "only slots that have a model are asked for"
    watch, demoted = drift.watches.get(slot.name), drift.demoted.get(slot.name)
    figures = None if watch is None else watch.figures
    count = 0 if figures is None else figures.events
    return ModelStatus(
        slot=slot.name,
        role="challenger" if slot.name == CHALLENGER else "traded",
        model=f"{model.scorer.name}/{model.scorer.version}",
        sha256=model.sha256,
        trained_until=model.trained_until,
        expires_at=slot.expires_at,
        scores=slot.counts.total(),
        scores_out_of_range=slot.counts["score_out_of_range"],
        outcomes=0 if watch is None else watch.events,
        brier=figures.brier / count if figures is not None and count else None,
        excess=None if figures is None else figures.interval(SURE_Z),
        expected=figures.expected / count if figures is not None and count else None,
        paid=figures.paid / count if figures is not None and count else None,
        z=None if figures is None else figures.z,
        psi=[] if watch is None else list(watch.psi[:PSI_SHOWN]),
        verdict=None if watch is None else watch.verdict,
        since=None if watch is None else watch.since,
        reasons=[] if watch is None else list(watch.reasons),
        demoted=demoted,
        follows=_follows(slot, watch, demoted),
    )


def _follows(slot: ModelSlot, watch: DriftWatch | None, demoted: Alarm | None) -> str:
    if slot.is_drifted:
        return "nothing is entered on it; `kalshid model swap FOLDER` puts a model in"
    if demoted is not None:
        return f"it stands in for {demoted.model}; `kalshid model swap FOLDER` puts a model in"
    if watch is None:
        return "nothing: it is not watched"
    if slot.name == CHALLENGER:
        return "nothing: it is only measured"
    if watch.verdict == "warn":
        return "its stakes are halved, until a window is clean"
    return "nothing"
