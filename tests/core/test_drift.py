"""What follows from drift: halved stakes, a demoted model, and a person's word to end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from daemon.core import events as e
from daemon.core.asking import Slot
from daemon.core.commands import Command, KeepDay, PlaceOrder
from daemon.core.day_record import DayRecord
from daemon.core.drift_record import DriftConfig, DriftRecord
from daemon.core.engine import Engine
from daemon.core.model_slot import CHALLENGER, DEFAULT, FALLBACK, Model
from daemon.core.models import ScorerSource
from daemon.core.scorer import FeatureSchema, Output
from daemon.core.sizing import kelly_qty
from daemon.core.strategy import Strategy, Target
from daemon.core.units import MONEY_ONE, PRICE_ONE, SECOND, Ns
from strategies.fair_value import FairValue, Params
from tests.core.worlds import CONFIG, NOW, T0, TICKER, Scripted, reconciled, snapshot, spec

TERMS = DriftConfig(events=100)
WATCHED = msgspec.structs.replace(CONFIG, drift=TERMS, remembers_day=True)
CASH = 1_000 * MONEY_ONE
ROW = (0.41, 0.02)


class Said:
    """A model that says the same of every row."""

    version = "1"
    schema = FeatureSchema(("mid", "spread"))
    required: frozenset[str] = frozenset()

    def __init__(self, says: float, name: str = "said", output: Output = "probability") -> None:
        self.says, self.name = says, name
        self.output: Output = output

    def score(self, row: Sequence[float | None]) -> float:
        """Return what was said."""
        del row
        return self.says


OURS = Model(Said(0.48), "ours")
STRUCTURAL = Model(Said(0.42, "structural"), "structural")


class Shelf:
    """Where swapped models come from."""

    def __init__(self, *models: Model) -> None:
        self._models = {model.sha256: model for model in models}

    def get(self, event: e.ModelSwapped) -> Model | None:
        """Return the model of a fingerprint."""
        return self._models.get(event.sha256)


def lived(
    models: Mapping[str, Model],
    strategy: Strategy | None = None,
    record: DriftRecord | None = None,
    *,
    source: ScorerSource | None = None,
    slot: str = DEFAULT,
    positions: tuple[e.PositionSnapshot, ...] = (),
) -> Engine:
    """An engine that watches its models and trades at NOW; `record` is what a life before told."""
    trader = strategy or FairValue(Params(order_contracts_max=90, position_contracts_max=1_000))
    slots = [Slot(trader, frozenset({"KXBTC15M"}), model=slot)]
    subject = Engine(WATCHED, slots, models, FeatureSchema(()), source)
    if record is not None:
        subject.models.apply(e.DayRecovered(day_with(record), T0))
    for event in (
        e.MarketListed(spec(), T0),
        e.FeedConnected("kalshi", T0),
        snapshot(),
        reconciled(T0 + 3 * SECOND, CASH, positions),
        reconciled(NOW, CASH, positions),
        snapshot(NOW),
    ):
        subject.handle(event)
    return subject


def day_with(record: DriftRecord) -> DayRecord:
    """A day of which nothing else is known."""
    return DayRecord(T0 // (86_400 * SECOND), T0, CASH, CASH, 0, drift=record)


def live(subject: Engine, count: int, p: float, mid: float, slot: str = DEFAULT, first: int = 0) -> None:
    """Events of one market and one instant each, all of which end NO."""
    for number in range(first, first + count):
        subject.models.drift.sample(slot, f"X{number}-1", f"X{number}", p, mid, ROW, NOW)
        subject.handle(e.MarketDetermined(f"X{number}-1", "no", 0, NOW))


def warn(subject: Engine) -> None:
    """A block whose reliability is far off, though the mid's is too: no worse than the market."""
    live(subject, TERMS.events // 5, 0.8, 0.8)


def alarm(subject: Engine, slot: str = DEFAULT, first: int = 0) -> None:
    """A window in which the model is worse than the mid."""
    live(subject, TERMS.events, 0.9, 0.5, slot, first)


def placed(commands: Sequence[Command]) -> list[PlaceOrder]:
    """The orders among commands."""
    return [one for one in commands if isinstance(one, PlaceOrder)]


def kept(commands: Sequence[Command]) -> DriftRecord:
    """What the day's record says of the models, to the next life and back."""
    (record,) = [one.record for one in commands if isinstance(one, KeepDay)]
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=DayRecord)
    assert record == read
    assert read.drift is not None
    return read.drift


def test_what_a_decision_scored_is_judged_when_the_event_ends() -> None:
    """The default's score and the challenger's against the mid of the book."""
    subject = lived({DEFAULT: OURS, CHALLENGER: Model(Said(0.9, "other"), "other")})
    subject.decide(NOW)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW + SECOND))
    found = {name: watch.figures for name, watch in subject.models.drift.watches.items()}
    assert [DEFAULT, CHALLENGER] == list(found)
    assert (1, 0.52**2 - 0.59**2) == (found[DEFAULT].events, pytest.approx(found[DEFAULT].excess))
    assert found[CHALLENGER].excess == pytest.approx(0.1**2 - 0.59**2)


def test_a_warned_model_stakes_half() -> None:
    """The order is Kelly's of half the bankroll; when the window is clean it is whole again."""
    whole, halved = lived({DEFAULT: OURS}), lived({DEFAULT: OURS})
    warn(halved)
    found = [placed(subject.decide(NOW))[0].qty for subject in (whole, halved)]
    expected = [
        kelly_qty(0.48, 4_200, "bid", spec().fees, True, equity, 0.25, 10**6) for equity in (CASH, CASH // 2)
    ]
    assert expected == found
    for number in range(20, 140):
        halved.models.drift.sample(DEFAULT, f"X{number}-1", f"X{number}", 0.5, 0.5, ROW, NOW)
        paid = PRICE_ONE * (number % 2)
        halved.handle(e.MarketDetermined(f"X{number}-1", "yes" if paid else "no", paid, NOW))
    assert ("steady", 1) == (
        halved.models.drift.watches[DEFAULT].verdict,
        halved.models.default.stake_divisor,
    )


def test_an_alarmed_model_gives_its_slot_to_the_fallback() -> None:
    """Between two decisions; the fallback stakes whole and is watched anew, and the record begins anew."""
    strategy = Scripted()
    subject = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL}, strategy)
    subject.decide(NOW)
    record = subject.models.record
    alarm(subject)
    drift, slot = subject.models.drift, subject.models.default
    assert STRUCTURAL is slot.model
    assert ("said/1", NOW) == (drift.demoted[DEFAULT].model, drift.demoted[DEFAULT].at)
    watch = drift.watches[DEFAULT]
    assert ("structural", 0, 1) == (watch.sha256, watch.events, slot.stake_divisor)
    assert record is not subject.models.record
    subject.handle(snapshot(NOW + SECOND))
    subject.decide(NOW + SECOND)
    assert [0.48, 0.42] == [view.score for view in strategy.views]


def test_without_a_fallback_nothing_is_entered() -> None:
    """By name; what only reduces passes."""
    strategy = Scripted()
    strategy.targets = (Target("bid", 4_000, 1_000, "rest", "in"), Target("ask", 4_200, 1_000, "rest", "out"))
    held = (e.PositionSnapshot(TICKER, 1_000, 4_000_000, 0, 0),)
    subject = lived({DEFAULT: OURS}, strategy, positions=held)
    alarm(subject)
    assert ["ask"] == [one.side for one in placed(subject.decide(NOW))]
    assert {"model_drifted": 1} == subject.refusals
    assert OURS is subject.models.default.model


def test_a_fallback_that_drifts_too_leaves_nothing() -> None:
    """There is no third one."""
    subject = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL})
    alarm(subject)
    alarm(subject, first=TERMS.events)
    assert [] == placed(subject.decide(NOW))
    assert subject.models.default.is_drifted
    assert "said/1" == subject.models.drift.demoted[DEFAULT].model
    again = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL}, record=subject.models.drift.told())
    assert again.models.default.is_drifted, "over a restart too"


def test_a_named_slot_is_demoted_by_itself() -> None:
    """The default's model goes on."""
    slow = Model(Said(0.48, "slow"), "slow")
    subject = lived({DEFAULT: OURS, "slow": slow, FALLBACK: STRUCTURAL}, slot="slow")
    alarm(subject, "slow")
    slots = subject.models.slots
    assert (OURS, STRUCTURAL) == (slots[DEFAULT].model, slots["slow"].model)


def test_nothing_follows_from_a_challengers_alarm() -> None:
    """It trades nothing; its verdict is there to be read."""
    other = Model(Said(0.9, "other"), "other")
    subject = lived({DEFAULT: OURS, CHALLENGER: other, FALLBACK: STRUCTURAL})
    alarm(subject, CHALLENGER)
    assert other is subject.models.challenger.model
    assert "alarm" == subject.models.drift.watches[CHALLENGER].verdict
    assert {} == subject.models.drift.demoted


def test_a_restart_forgets_neither_figures_nor_verdict() -> None:
    """A block before it, the rest after it: what follows is what would have."""
    models = {DEFAULT: OURS, FALLBACK: STRUCTURAL}
    first, whole = lived(models), lived(models)
    warn(first)
    warn(whole)
    second = lived(models, record=kept(first.decide(NOW)))
    assert 2 == second.models.default.stake_divisor
    for subject in (whole, second):
        live(subject, 70, 0.6, 0.55, first=20)
    told = [subject.models.drift.told() for subject in (whole, second)]
    assert told[0] == told[1]


def test_a_demoted_model_stays_out_until_a_person_puts_it_in() -> None:
    """Over a restart with the same configuration; the same model swapped in is taken at his word."""
    models = {DEFAULT: OURS, FALLBACK: STRUCTURAL}
    first = lived(models)
    alarm(first)
    live(first, 3, 0.5, 0.5, first=TERMS.events)
    second = lived(models, record=kept(first.decide(NOW)), source=Shelf(OURS))
    assert STRUCTURAL is second.models.default.model
    assert 3 == second.models.drift.watches[DEFAULT].events
    second.handle(e.ModelSwapped(DEFAULT, "ours", "said", "1", "ours", NOW, None))
    assert OURS.sha256 == second.models.drift.watches[DEFAULT].sha256
    assert ({}, DriftRecord()) == (second.models.drift.demoted, second.models.drift.told())
    third = lived(models, record=kept(second.decide(NOW)))
    assert OURS is third.models.default.model


def test_another_model_in_the_configuration_begins_anew() -> None:
    """A record is of the model that it names."""
    first = lived({DEFAULT: OURS})
    warn(first)
    newer = Model(Said(0.48), "newer")
    second = lived({DEFAULT: newer}, record=kept(first.decide(NOW)))
    assert (0, 1) == (second.models.drift.watches[DEFAULT].events, second.models.default.stake_divisor)


def test_a_model_of_changes_is_not_watched() -> None:
    """No outcome judges it; its record is empty."""
    subject = lived({DEFAULT: Model(Said(0.01, output="change"), "c")}, Scripted())
    subject.decide(NOW)
    subject.handle(e.MarketDetermined(TICKER, "yes", PRICE_ONE, NOW))
    assert ({}, DriftRecord()) == (subject.models.drift.watches, subject.models.drift.told())


def test_the_fallback_is_no_slot() -> None:
    """Its features are in the row from the start; nobody reads it or swaps it."""
    fallback = Model(Said(0.5), "f")
    fallback.scorer.schema = FeatureSchema(("seconds_to_close",))
    models = lived({DEFAULT: OURS, FALLBACK: fallback}).models
    assert ("mid", "spread", "seconds_to_close") == models.schema.names
    assert [DEFAULT, CHALLENGER] == list(models.slots)
    assert models.objection(FALLBACK, OURS) == "no slot 'fallback'; there are: default, challenger"


def test_nothing_is_watched_without_terms() -> None:
    """As in every journal that was written before there were any."""
    subject = Engine(CONFIG, [Slot(Scripted(), frozenset({"KXBTC15M"}))], {DEFAULT: OURS}, FeatureSchema(()))
    assert ({}, None) == (subject.models.drift.watches, subject.models.drift.told())


def test_the_same_events_give_the_same_orders() -> None:
    """Through a warning and a demotion, decision by decision."""

    def decided() -> list[list[Command]]:
        subject = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL})
        found = [subject.decide(NOW)]
        for step, happens in enumerate((warn, alarm), start=1):
            happens(subject)
            at: Ns = NOW + step * SECOND
            subject.handle(snapshot(at))
            found.append(subject.decide(at))
        return found

    assert decided() == decided()


def test_markets_that_are_gone_are_forgotten() -> None:
    """An event that nobody waits for any more is judged by what is known of it."""
    subject = lived({DEFAULT: OURS})
    drift = subject.models.drift
    for ticker in ("X-1", "X-2", "Y-1"):
        drift.sample(DEFAULT, ticker, ticker[0], 0.5, 0.5, ROW, NOW)
    drift.determine("X-1", PRICE_ONE, NOW)
    drift.forget_gone({})
    assert 1 == drift.watches[DEFAULT].events
