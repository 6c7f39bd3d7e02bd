"""From configuration to engine: strategies by name, and what a replay needs to build the same one again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from daemon.config import Config, ConfigError, convert_params
from daemon.config_tables import StrategyTable
from daemon.core.connections import FIRST_FEED
from daemon.core.engine import Engine, EngineConfig, Slot
from daemon.core.models import DEFAULT, Model, ScorerSource
from daemon.core.reference import ReferenceConfig, Underlying
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.strategy import Strategy
from daemon.core.units import HOUR, MILLISECOND, QTY_ONE, SECOND, Ns
from strategies import SHIPPED

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
    """Where it scores: "default", a name of `[model.named]`, "challenger"."""


class Setup(msgspec.Struct, frozen=True):
    """All that decisions depend on besides events: the journal's header carries it."""

    engine: EngineConfig
    strategies: tuple[StrategyTable, ...]
    model: ModelRef
    others: tuple[ModelRef, ...] = ()
    """The models besides the default one, by slot."""


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
    return Setup(
        engine=EngineConfig(
            order_id_prefix=config.orders.id_prefix,
            epoch=epoch,
            limits=config.limits(),
            order_ttl=config.orders.ttl_ms * MILLISECOND,
            heartbeat=HEARTBEAT,
            reconcile_every=config.reconcile.every_s * SECOND,
            failures_max=config.breaker.failures_max,
            probe_every=config.breaker.probe_every_s * SECOND,
            rejects_max=config.breaker.rejects_max,
            ack_max=config.breaker.ack_p95_max_ms * MILLISECOND,
            cool_down=config.breaker.cool_down_s * SECOND,
            order_expiry=config.orders.expire_s * SECOND,
            order_group_limit=config.orders.group_contracts_max * QTY_ONE,
            private_feed=PRIVATE_FEED if config.private_channels == "own" else FIRST_FEED,
            audit_differences_max=config.audit.differences_max,
            is_backfilled=is_backfilled,
            cancels_on_exit=config.on_exit == "cancel",
            model_expires_at=model.expires_at,
            reference=ReferenceConfig(
                prefer=tuple(config.reference.prefer),
                stale_max=config.reference.stale_max_ms * MILLISECOND,
                underlyings=tuple(
                    Underlying(table.series, table.kraken, table.cfbenchmarks)
                    for table in config.reference.underlyings
                ),
            ),
        ),
        strategies=tuple(table for table in config.strategies if table.enabled),
        model=model,
        others=others,
    )


def build_strategy(config_name: str, table: StrategyTable) -> Strategy:
    """Return the strategy that a `[strategies.<name>]` table describes.

    Raises:
        ConfigError: no such strategy, or parameters that it doesn't allow.
    """
    shipped = SHIPPED.get(table.name)
    if shipped is None:
        raise ConfigError(
            [f"{config_name}: strategies.{table.name}: unknown; there are: {', '.join(SHIPPED)}"]
        )
    return shipped.build(convert_params(config_name, table, shipped.params))


def _slot(config_name: str, table: StrategyTable) -> Slot:
    strategy = build_strategy(config_name, table)
    guard = None if table.close_guard_s is None else table.close_guard_s * SECOND
    if guard is None and strategy.book_changed_max is None:
        guard = SLOW_CLOSE_GUARD
    return Slot(strategy, frozenset(table.series), guard, model=table.model or DEFAULT)


def build_engine(
    setup: Setup,
    scorer: Scorer | Mapping[str, Model],
    config_name: str = "config.toml",
    source: ScorerSource | None = None,
) -> Engine:
    """Return a fresh engine.

    Args:
        setup: what decisions depend on.
        scorer: the default model, or all of them by slot.
        config_name: the configuration's name, for messages.
        source: where swapped models come from; None where nothing is ever swapped.

    Raises:
        ConfigError: as `build_strategy`.
    """
    slots = [_slot(config_name, table) for table in setup.strategies]
    schema = FeatureSchema(()) if isinstance(scorer, Mapping) else scorer.schema
    return Engine(setup.engine, slots, scorer, schema, source)


def check_strategies(config_name: str, tables: Iterable[StrategyTable]) -> list[str]:
    """Return what is wrong with any strategy table, enabled or not; empty when nothing is."""
    problems: list[str] = []
    for table in tables:
        try:
            build_strategy(config_name, table)
        except ConfigError as error:
            problems += error.problems
    return problems
