"""What follows from drift: a warned model stakes half, an alarmed one gives its slot to the fallback.

Each slot's model has its watch (`drift_watch`). All is computed from journalled events and decisions, so a
replay demotes at the same event. The fallback, a structural model as a rule, is watched in its turn. Where
there is none, or it has been alarmed in that slot too, nothing is entered on that slot any more
(`model_drifted`). What is alarmed stays out, over restarts, until a person swaps it in again.

A challenger is watched, and nothing follows. A model that says no probability is not: no outcome judges it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from daemon.core.drift_record import Alarm, DriftConfig, DriftRecord, WatchRecord
from daemon.core.drift_watch import DriftWatch
from daemon.core.model_slot import CHALLENGER, Model, ModelSlot, Row
from daemon.core.units import PRICE_ONE, Ns, Price

ALARMS_KEPT = 50
WARNED_DIVISOR = 2
"""What the bankroll is divided by on a warned model's word: every Kelly stake is a share of it."""


class Drift:
    """Watches all slots of one run."""

    def __init__(
        self,
        config: DriftConfig | None,
        slots: Mapping[str, ModelSlot],
        places: Mapping[str, int],
        fallback: Model | None = None,
    ) -> None:
        """Build.

        Args:
            config: the terms; None where nothing is watched.
            slots: with their models.
            places: where in the row a feature stands; it has those of the fallback.
            fallback: what scores in an alarmed model's place; None: nothing does.
        """
        self._config = config
        self._slots = slots
        self._places = places
        self._fallback = fallback
        self.watches: dict[str, DriftWatch] = {}
        """By slot, of the models that score now."""
        self.demoted: dict[str, Alarm] = {}
        """By slot: why its model is not the one that was put there."""
        self._alarms: dict[tuple[str, str], Alarm] = {}
        """By slot and fingerprint."""
        self._told: DriftRecord | None = None
        """What was told last; None where something has changed since. Asked at every look by the clock."""
        for name in slots:
            self._watch(name)

    def begin(self, name: str) -> None:
        """A person has put a model into a slot: it is watched anew, and what was said against it is over."""
        slot = self._slots[name]
        self._told = None
        self.demoted.pop(name, None)
        if slot.model is not None:
            self._alarms.pop((name, slot.model.sha256), None)
        slot.is_drifted = False
        self._watch(name)

    def sample(self, name: str, ticker: str, event: str, p: float, mid: float, row: Row, now: Ns) -> None:
        """Take one instant of a market; see `DriftWatch.sample`."""
        if (watch := self.watches.get(name)) is not None:
            watch.sample(ticker, event, p, mid, row, now)

    def determine(self, ticker: str, paid: Price, at: Ns) -> None:
        """Take what one YES contract of a market paid."""
        self._told = None
        for name, watch in tuple(self.watches.items()):
            watch.determine(ticker, paid / PRICE_ONE, at)
            self._follow(name, watch)

    def forget_gone(self, markets: Container[str]) -> None:
        """Forget markets that are no more."""
        self._told = None
        for name, watch in tuple(self.watches.items()):
            watch.forget_gone(markets)
            self._follow(name, watch)

    # --- for the next life -----------------------------------------------------------------------

    def told(self) -> DriftRecord | None:
        """Return what the next life must know, as of the last outcome; None while nothing is watched."""
        if self._config is not None and self._told is None:
            watches = tuple(watch.told() for watch in self.watches.values() if watch.events)
            self._told = DriftRecord(watches, tuple(self._alarms.values()))
        return self._told

    def recover(self, record: DriftRecord | None) -> None:
        """Go on where a life before left it: the alarms first, then each watch whose model scores there."""
        if record is None or self._config is None:
            return
        self._told = None
        for alarm in record.alarms:
            self._alarms[(alarm.slot, alarm.sha256)] = alarm
        for name, slot in self._slots.items():
            model = slot.model
            alarm_of = None if model is None else self._alarms.get((name, model.sha256))
            if alarm_of is not None:
                self._demote(name, alarm_of)
        for one in record.watches:
            self._recover_watch(one)

    def _recover_watch(self, record: WatchRecord) -> None:
        watch = self.watches.get(record.slot)
        if watch is not None and watch.sha256 == record.sha256:
            watch.recover(record)
            self._follow(record.slot, watch)

    # --- what follows ----------------------------------------------------------------------------

    def _watch(self, name: str) -> None:
        """Watch the model that is in a slot now."""
        slot = self._slots[name]
        slot.stake_divisor = 1
        self.watches.pop(name, None)
        model = slot.model
        if self._config is not None and model is not None and model.scorer.output == "probability":
            self.watches[name] = DriftWatch(self._config, name, model, self._places)

    def _follow(self, name: str, watch: DriftWatch) -> None:
        slot = self._slots[name]
        if name == CHALLENGER or slot.is_drifted:
            return
        if watch.verdict != "alarm":
            slot.stake_divisor = WARNED_DIVISOR if watch.verdict == "warn" else 1
            return
        model = slot.model
        assert model is not None, "what was judged has a model"
        at = watch.since
        assert at is not None, "an alarm has its instant"
        named = f"{model.scorer.name}/{model.scorer.version}"
        alarm = Alarm(name, model.sha256, named, at, watch.reasons[0])
        self._alarms[(name, model.sha256)] = alarm
        while len(self._alarms) > ALARMS_KEPT:
            del self._alarms[next(iter(self._alarms))]
        self._demote(name, alarm)

    def _demote(self, name: str, alarm: Alarm) -> None:
        """Put the fallback into a slot, or let it enter nothing more."""
        slot, fallback = self._slots[name], self._fallback
        if name == CHALLENGER:
            return
        self.demoted.setdefault(name, alarm)
        if fallback is None or (name, fallback.sha256) in self._alarms:
            slot.is_drifted = True
        else:
            slot.take(fallback, self._places)
            self._watch(name)
