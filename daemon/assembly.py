"""From configuration to engine: strategies by name, and what a replay needs to build the same one again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed_version
from pathlib import Path

import msgspec

from daemon.config import Config, ConfigError
from daemon.config_tables import StrategyTable
from daemon.core.connections import FIRST_FEED
from daemon.core.drift_record import DriftConfig
from daemon.core.engine import Engine, EngineConfig, Slot
from daemon.core.features.releases import Release
from daemon.core.models import DEFAULT, FALLBACK, Model, ScorerSource
from daemon.core.reference import ReferenceConfig, Underlying
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.units import HOUR, MICROSECOND, MONEY_ONE, QTY_ONE, SECOND, Money, Ns
from daemon.shell.journal import JournalHeader
from daemon.strategy_files import build_strategy, score_output

SLOW_CLOSE_GUARD: Ns = 4 * HOUR
"""Of a strategy that asks no fresh book, unless its table says otherwise: it trades on what changes slowly,
and in a market's last hours the others know more."""
HEARTBEAT = SECOND
PRIVATE_FEED = "kalshi-private"
"""The connection that carries nothing but our orders and fills, where one is configured."""


class ModelRef(msgspec.Struct, frozen=True):
    """Which model scored: its folder as configured, its name and version, and its file's sha256."""

    path: str
    name: str
    version: str
    sha256: str
    expires_at: Ns | None = None
    """From when on it is not to be used, by its metadata; None for never."""
    slot: str = DEFAULT
    """Where it scores: "default", a name of `[model.named]`, "challenger"; or "fallback"."""


class Setup(msgspec.Struct, frozen=True):
    """All that decisions depend on besides events: the journal's header carries it."""

    engine: EngineConfig
    strategies: tuple[StrategyTable, ...]
    model: ModelRef
    others: tuple[ModelRef, ...] = ()
    """The models besides the default one, by slot."""
    strategy_path: str = ""
    """Where the owner's own strategies are, as configured; each table has its file's fingerprint."""


def setup_of(
    config: Config,
    model: ModelRef,
    epoch: int,
    *,
    is_backfilled: bool = False,
    others: tuple[ModelRef, ...] = (),
) -> Setup:
    """Return the setup that a configuration asks for. `epoch` is the start in Unix ms.

    `is_backfilled` says that a task reads what was missed of each market: trading there waits for it.
    """
    terms = config.terms()
    return Setup(
        engine=EngineConfig(
            order_id_prefix=config.orders.id_prefix,
            epoch=epoch,
            limits=config.limits(),
            order_ttl=terms.order_ttl,
            heartbeat=HEARTBEAT,
            reconcile_every=terms.reconcile_every,
            failures_max=terms.failures_max,
            probe_every=terms.probe_every,
            rejects_max=terms.rejects_max,
            ack_max=terms.ack_max,
            cool_down=terms.cool_down,
            order_expiry=terms.order_expiry,
            order_group_limit=config.orders.group_contracts_max * QTY_ONE,
            private_feed=PRIVATE_FEED if config.private_channels == "own" else FIRST_FEED,
            audit_differences_max=terms.audit_differences_max,
            is_backfilled=is_backfilled,
            cancels_on_exit=terms.cancels_on_exit,
            remembers_day=True,
            drift=DriftConfig(
                events=config.drift.events,
                alarm_delta=config.drift.alarm_delta,
                warn_z=config.drift.warn_z,
                warn_psi=config.drift.warn_psi,
            ),
            model_expires_at=model.expires_at,
            reference=ReferenceConfig(
                prefer=tuple(config.reference.prefer),
                stale_max=terms.reference_stale_max,
                underlyings=tuple(
                    Underlying(table.series, table.kraken, table.cfbenchmarks)
                    for table in config.reference.underlyings
                ),
            ),
            releases=tuple(
                Release(table.series, _instant(table.at), table.name) for table in config.calendar.releases
            ),
        ),
        strategies=tuple(table for table in config.strategies if table.enabled),
        model=model,
        others=others,
        strategy_path=config.strategy_path,
    )


def header_of(setup: Setup, instance: str, override_reason: str, account: str) -> JournalHeader:
    """Return the first record of a run's journal; see there."""
    return JournalHeader(
        kalshid_version=installed_version("kalshid"),
        instance=instance,
        epoch=setup.engine.epoch,
        engine=msgspec.Raw(msgspec.msgpack.encode(setup)),
        override_reason=override_reason or None,
        account=account,
    )


class TableSlots:
    """Strategies from the text of a `ConfigChanged`: prepared for it, or, in a replay, built."""

    def __init__(self, config_name: str, folder: Path | None) -> None:
        self._config_name = config_name
        self._folder = folder
        self._prepared: dict[str, list[Slot]] = {}

    def prepare(self, tables: tuple[StrategyTable, ...], engine: Engine) -> str:
        """Build strategies for a running engine, and return the text that stands for them.

        Raises:
            ConfigError: one can't be built, or not be taken into this run.
        """
        slots = [_slot(self._config_name, table, self._folder) for table in tables]
        models = {name: slot.model for name, slot in engine.models.slots.items() if slot.model is not None}
        problems = _misread(self._config_name, slots, models)
        for slot in slots:
            if (objection := engine.changes.objection(slot)) is not None:
                problems.append(f"{self._config_name}: strategies.{slot.strategy.name}: {objection}")
        if problems:
            raise ConfigError(problems)
        text = msgspec.json.encode(tables).decode()
        self._prepared[text] = slots
        return text

    def slots_of(self, tables: str) -> list[Slot]:
        """Return the strategies that a text stands for. Raises ConfigError where they can't be built."""
        if (prepared := self._prepared.pop(tables, None)) is not None:
            return prepared
        found = msgspec.json.decode(tables, type=tuple[StrategyTable, ...])
        return [_slot(self._config_name, table, self._folder) for table in found]


def _slot(config_name: str, table: StrategyTable, folder: Path | None) -> Slot:
    strategy = build_strategy(config_name, table, folder)
    guard = None if table.close_guard_s is None else table.close_guard_s * SECOND
    if guard is None and strategy.book_changed_max is None:
        guard = SLOW_CLOSE_GUARD
    return Slot(
        strategy,
        frozenset(table.series),
        guard,
        model=table.model or DEFAULT,
        capital=_money(table.capital_dollars),
        daily_loss_max=_money(table.daily_loss_max_dollars),
        categories=frozenset(table.categories),
    )


def _money(dollars: int | None) -> Money | None:
    return None if dollars is None else dollars * MONEY_ONE


def _instant(at: datetime) -> Ns:
    """Return a time with a zone as an instant."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * MICROSECOND


def build_engine(
    setup: Setup,
    scorer: Scorer | Mapping[str, Model],
    config_name: str = "config.toml",
    source: ScorerSource | None = None,
    strategy_folder: Path | None = None,
) -> Engine:
    """Return a fresh engine.

    Args:
        setup: what decisions depend on.
        scorer: the default model, or all of them by slot.
        config_name: the configuration's name, for messages.
        source: where swapped models come from; None where nothing is ever swapped.
        strategy_folder: the owner's own strategies; None looks where the setup says, from this folder.

    Raises:
        ConfigError: as `build_strategy`, and where a strategy would misread its model.
    """
    if strategy_folder is None and setup.strategy_path:
        strategy_folder = Path(setup.strategy_path).expanduser()
    slots = [_slot(config_name, table, strategy_folder) for table in setup.strategies]
    problems = _misread(config_name, slots, scorer)
    if problems:
        raise ConfigError(problems)
    schema = FeatureSchema(()) if isinstance(scorer, Mapping) else scorer.schema
    engine = Engine(setup.engine, slots, scorer, schema, source)
    engine.changes.source = TableSlots(config_name, strategy_folder)
    return engine


def _misread(config_name: str, slots: Iterable[Slot], scorer: Scorer | Mapping[str, Model]) -> list[str]:
    """Return which strategies take their model's scores for what they are not.

    A change of two cents, read as a probability of two percent, would sell everything.
    """
    problems = []
    for slot in slots:
        wanted, model = score_output(slot.strategy), scorer
        if isinstance(model, Mapping):
            if slot.model not in model:
                continue  # the engine says so
            model = model[slot.model].scorer
        if wanted is not None and wanted != model.output:
            found = f"model {slot.model} ({model.name}/{model.version}) says a {model.output}"
            problems.append(
                f"{config_name}: strategies.{slot.strategy.name}: it reads a {wanted}, and {found}:"
                " give it another one by `model`"
            )
    fallback = scorer.get(FALLBACK) if isinstance(scorer, Mapping) else None
    if fallback is not None and fallback.scorer.output != "probability":
        named = f"{fallback.scorer.name}/{fallback.scorer.version}"
        problems.append(
            f"{config_name}: model.fallback: it takes the place of a probability, and {named} says a change"
        )
    return problems


def check_models(
    config_name: str, tables: Iterable[StrategyTable], models: Mapping[str, Model], folder: Path | None = None
) -> list[str]:
    """Return which enabled strategies can't read their models. The tables are those that passed the check."""
    slots = [_slot(config_name, table, folder) for table in tables if table.enabled]
    return _misread(config_name, slots, models)


def check_strategies(
    config_name: str, tables: Iterable[StrategyTable], folder: Path | None = None
) -> list[str]:
    """Return what is wrong with any strategy table, enabled or not; `folder` has the owner's own."""
    problems: list[str] = []
    for table in tables:
        try:
            build_strategy(config_name, table, folder)
        except ConfigError as error:
            problems += error.problems
    return problems
