"""A model is exchanged while the daemon runs: looked at by a child process, loaded, and told the core.

The event is told only when the model is loaded and the core has nothing against it: what the journal says has
happened. Everything slow is off the loop that trades. A start reads the configuration again: whoever means to
keep the new model writes it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from daemon.core import events as e
from daemon.core.drift_record import Alarm, Verdict
from daemon.core.models import CHALLENGER, DEFAULT, Model, Models, ModelSlot
from daemon.core.units import Ns
from daemon.scoring.registry import ModelRefused
from daemon.scoring.source import HandedModels, core_model
from daemon.scoring.vetting import load_vetted_async

log = structlog.get_logger(__name__)

TAKEN_WITHIN_S = 2.0
"""How long the core may take to have the model: a turn of the pump."""
TOO_LATE = "its turn came too late: whoever asked was told that nobody answers; swap again"
BOUND = (
    "real money is traded on the evidence of its models: only the challenger is exchanged; trade the new one"
    " on paper first, or say in live.override_reason why not"
)


class SwapRefused(Exception):
    """The model is not exchanged; the message says why."""


class Swapped(msgspec.Struct, frozen=True):
    """What was exchanged, as name/version; `old` is None where the slot was empty."""

    slot: str
    old: str | None
    new: str
    sha256: str


class SwapTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gives and asks.

    Attributes:
        root: the configuration's folder: a model below it is named from there in the journal.
        is_bound: whether what is traded is tied to evidence (mode "live" without a written reason): then only
            the challenger may be exchanged, and a model that drifted may come back to where it was.
        now: our clock.
        emit: takes the event.
    """

    root: Path
    is_bound: bool
    now: Callable[[], Ns]
    emit: Callable[[e.Event], None]


class ModelSwaps:
    """Exchanges models of one run, one at a time."""

    def __init__(self, models: Models, handed: HandedModels, terms: SwapTerms) -> None:
        self._models = models
        self._handed = handed
        self._terms = terms
        self._lock = asyncio.Lock()

    async def swap(
        self, folder: str, slot: str = DEFAULT, is_wanted: Callable[[], bool] = lambda: True
    ) -> Swapped:
        """Put the model of a folder into a slot; return when the core scores with it.

        `is_wanted` is asked right before it is done: there may be others first, and a check takes its time.

        Raises:
            SwapRefused: it may not, or can't, be exchanged; the old one goes on scoring.
        """
        async with self._lock:
            try:
                return await self._swap(Path(folder), slot, is_wanted)
            except SwapRefused as error:
                log.warning("model.swap_refused", slot=slot, folder=folder, reason=str(error))
                raise

    async def _swap(self, folder: Path, slot: str, is_wanted: Callable[[], bool]) -> Swapped:
        terms, models = self._terms, self._models
        demoted = models.drift.demoted.get(slot)
        if terms.is_bound and slot != CHALLENGER and demoted is None:
            raise SwapRefused(BOUND)
        if slot not in models.slots:
            raise SwapRefused(f"no slot {slot!r}; there are: {', '.join(models.slots)}")
        path = terms.root / folder
        try:
            loaded = await load_vetted_async(path)
        except ModelRefused as error:
            raise SwapRefused(str(error)) from error
        except OSError as error:  # no process could be started, or the folder went while it was read
            raise SwapRefused(f"{path}: {error}") from error
        model, at = core_model(loaded), terms.now()
        if terms.is_bound and demoted is not None and model.sha256 != demoted.sha256:
            raise SwapRefused(f"{BOUND}; here {demoted.model} alone may come back")
        self._check(slot, model, at)
        for reason in loaded.absent:
            log.warning("model.member_absent", reason=reason)
        holder = models.slots[slot]
        old = None if holder.model is None else named(holder.model)
        told = str(path.relative_to(terms.root)) if path.is_relative_to(terms.root) else str(path)
        metadata = loaded.metadata
        if not is_wanted():
            raise SwapRefused(TOO_LATE)
        self._handed.hand(model)
        terms.emit(
            e.ModelSwapped(slot, told, metadata.name, metadata.version, model.sha256, at, model.expires_at)
        )
        await self._taken(slot, model)
        log.warning("model.swapped", slot=slot, old=old, new=named(model), sha256=model.sha256, path=told)
        return Swapped(slot, old, named(model), model.sha256)

    def _check(self, slot: str, model: Model, at: Ns) -> None:
        if model.expires_at is not None and at >= model.expires_at:
            raise SwapRefused(f"{named(model)}: its metadata says that it has expired")
        if (objection := self._models.objection(slot, model)) is not None:
            raise SwapRefused(f"{named(model)}: {objection}")

    async def _taken(self, slot: str, model: Model) -> None:
        """Wait until the core has it. Raises SwapRefused when it does not come to that in time."""
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                while not self._has(slot, model):  # noqa: ASYNC110 - a turn of the pump, now and then
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise SwapRefused(
                "the core has not taken it in yet, and may still: kalshid_model_swaps_total tells"
            ) from None

    def _has(self, slot: str, model: Model) -> bool:
        found = self._models.slots[slot].model
        return found is not None and found.scorer is model.scorer


class Judgements:
    """Logs how the models did in each market that ends, a model that fails, once, and what drift does."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._record = models.record
        self._told = 0
        self._failing: set[ModelSlot] = set()
        self._verdicts: dict[str, Verdict] = {}
        self._demoted: dict[str, Alarm] = {}

    def tell(self) -> None:
        """Log what was judged, and who began to fail, since the last call."""
        for slot in self._models.slots.values():
            if slot.failure is None:
                self._failing.discard(slot)
            elif slot not in self._failing:
                self._failing.add(slot)
                model = None if slot.model is None else named(slot.model)
                log.error("model.failed", slot=slot.name, model=model, reason=slot.failure)
        self._tell_drift()
        record = self._models.record
        if record is not self._record:
            self._record, self._told = record, 0
        if record.judged_total == self._told:
            return
        for judged in list(record.last)[self._told - record.judged_total :]:
            log.info("model.judged", **msgspec.structs.asdict(judged))
        self._told = record.judged_total

    def _tell_drift(self) -> None:
        drift = self._models.drift
        for name, watch in drift.watches.items():
            if watch.verdict != self._verdicts.get(name, "steady"):
                tell = log.info if watch.verdict == "steady" else log.warning
                tell("model.drift_judged", slot=name, verdict=watch.verdict, reasons=list(watch.reasons))
            self._verdicts[name] = watch.verdict
        if drift.demoted == self._demoted:
            return
        for name, alarm in drift.demoted.items():
            if self._demoted.get(name) != alarm:
                slot = self._models.slots[name]
                stands_in = None if slot.is_drifted or slot.model is None else named(slot.model)
                log.error(
                    "model.demoted", slot=name, model=alarm.model, reason=alarm.reason, stands_in=stands_in
                )
        self._demoted = dict(drift.demoted)


def named(model: Model) -> str:
    """Return a model as name/version."""
    return f"{model.scorer.name}/{model.scorer.version}"
