"""From configuration to engine: units, strategies by name, and a setup that a journal can carry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from daemon.assembly import (
    SLOW_CLOSE_GUARD,
    ModelRef,
    Setup,
    build_engine,
    check_models,
    check_strategies,
    setup_of,
)
from daemon.config import Config, ConfigError, load_config, parse_config
from daemon.config_tables import StrategyTable
from daemon.core.drift_record import DriftConfig
from daemon.core.engine import EngineConfig
from daemon.core.features.releases import Release
from daemon.core.models import Model
from daemon.core.reference import ReferenceConfig, Underlying
from daemon.core.scorer import FeatureSchema, Scorer
from daemon.core.units import MILLISECOND, SECOND
from daemon.strategy_files import build_strategy
from strategies.fair_value import FairValue, Params
from tests.scoring.model_folder import scorer

ROOT = Path(__file__).parents[1]
OFF = {"book_changed_max_ms": "off"}
MODEL = ModelRef("strategies/models/toy/1", "toy", "1", "0" * 64)
TEXT = """
[orders]
ttl_ms = 1500
expire_s = 45
group_contracts_max = 700
id_prefix = "kd2"
[breaker]
failures_max = 5
probe_every_s = 7
rejects_max = 8
ack_p95_max_ms = 900
cool_down_s = 44
[reconcile]
every_s = 11
[audit]
differences_max = 4
[drift]
events = 300
alarm_delta = 0.01
warn_z = 2.5
warn_psi = 0.5
[reference]
prefer = ["cfbenchmarks", "kraken"]
stale_max_ms = 2500
[strategies.fair_value]
enabled = true
series = ["KXBTC15M", "KXBTCD"]
edge_min = 0.07
book_changed_max_ms = "off"
"""


def config(text: str = TEXT) -> Config:
    return parse_config("config.toml", text, ROOT)


def test_the_setup_is_the_configuration_in_exact_units() -> None:
    """Seconds and milliseconds become Ns; the epoch is the caller's."""
    setup = setup_of(config(), MODEL, 4_711)
    expected = EngineConfig(
        order_id_prefix="kd2",
        epoch=4_711,
        limits=config().limits(),
        order_ttl=1_500 * MILLISECOND,
        heartbeat=SECOND,
        reconcile_every=11 * SECOND,
        failures_max=5,
        probe_every=7 * SECOND,
        rejects_max=8,
        ack_max=900 * MILLISECOND,
        cool_down=44 * SECOND,
        order_expiry=45 * SECOND,
        order_group_limit=70_000,
        remembers_day=True,
        drift=DriftConfig(events=300, alarm_delta=0.01, warn_z=2.5, warn_psi=0.5),
        audit_differences_max=4,
        reference=ReferenceConfig(
            prefer=("cfbenchmarks", "kraken"),
            stale_max=2_500 * MILLISECOND,
            underlyings=(Underlying("KXBTC", "BTC/USD", "BRTI"),),
        ),
    )
    assert expected == setup.engine
    assert MODEL == setup.model


def test_releases_are_instants_of_their_series() -> None:
    """A time with any zone becomes the instant that it is."""
    text = (
        '[calendar]\nreleases = [{ series = "KXCPI", at = 2026-12-10T13:30:00Z, name = "CPI" },'
        ' { series = "KXFED", at = 2026-12-10T14:30:00.5+01:00, name = "rates" }]\n'
    )
    at = 1_796_909_400 * SECOND
    expected = (Release("KXCPI", at, "CPI"), Release("KXFED", at + SECOND // 2, "rates"))
    assert expected == setup_of(config(TEXT + text), MODEL, 1).engine.releases


def test_our_fills_come_over_a_connection_of_their_own_if_one_is_configured() -> None:
    """And only then; what is backfilled is the caller's to say."""
    own = config(TEXT + "[venue]\nprivate_connection = true\n")
    assert setup_of(own, MODEL, 1).engine.private_feed == "kalshi-private"
    assert setup_of(config(), MODEL, 1).engine.private_feed == "kalshi"
    assert not setup_of(config(), MODEL, 1).engine.is_backfilled
    assert setup_of(config(), MODEL, 1, is_backfilled=True).engine.is_backfilled


def test_only_enabled_strategies_are_set_up() -> None:
    """A disabled table keeps its parameters in the file and trades nothing."""
    setup = setup_of(config(TEXT.replace("enabled = true", "enabled = false")), MODEL, 1)
    assert () == setup.strategies
    assert () == build_engine(setup, scorer()).slots


def test_an_engine_has_its_strategies_with_their_parameters_and_series() -> None:
    """And the model's schema for its features."""
    engine = build_engine(setup_of(config(), MODEL, 1), scorer())
    (slot,) = engine.slots
    assert isinstance(slot.strategy, FairValue)
    assert Params(edge_min=0.07, book_changed_max_ms="off") == slot.strategy.params
    assert slot.strategy.book_changed_max is None
    assert frozenset({"KXBTC15M", "KXBTCD"}) == slot.series
    assert scorer().schema == engine.schema


def test_a_setup_survives_the_journal() -> None:
    """Encoded and decoded it is the same and builds the same engine: a replay needs nothing else."""
    setup = setup_of(load_config(ROOT / "config.toml"), MODEL, 1)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(setup), type=Setup)
    assert setup == again
    built, rebuilt = build_engine(setup, scorer()), build_engine(again, scorer())
    assert built.config == rebuilt.config
    assert [slot.strategy.name for slot in built.slots] == [slot.strategy.name for slot in rebuilt.slots]


def test_an_unknown_strategy_is_refused_with_those_that_there_are() -> None:
    """A typing mistake doesn't silently trade nothing."""
    table = StrategyTable("fair_valu", True, ["A"], {})
    with pytest.raises(
        ConfigError, match=r"config\.toml: strategies\.fair_valu: unknown; there are: fair_value"
    ):
        build_strategy("config.toml", table)


def test_all_strategies_are_checked_and_all_problems_told() -> None:
    """Enabled or not: what is wrong today would refuse to start tomorrow."""
    tables = [
        StrategyTable("fair_value", True, ["A"], {}),
        StrategyTable("fair_value", False, ["A"], {"margin": 7.0, "edge": 1}),
        StrategyTable("magic", False, ["A"], {}),
    ]
    found = check_strategies("absent.toml", tables)
    assert ["margin", "edge", "magic"] == [problem.split(": ")[1].split(".")[-1] for problem in found]
    assert [] == check_strategies("absent.toml", tables[:1])


@pytest.mark.parametrize(
    ("params", "own", "expected"),
    [({}, None, None), ({}, 60, 60 * SECOND), (OFF, None, SLOW_CLOSE_GUARD), (OFF, 60, 60 * SECOND)],
)
def test_a_slow_strategy_leaves_a_market_four_hours_before_its_close(
    params: dict[str, str], own: int | None, expected: int | None
) -> None:
    """Unless its table says otherwise; a fast one has the limit that all have."""
    table = StrategyTable("fair_value", True, ["KXBTC15M"], params, own)
    setup = msgspec.structs.replace(setup_of(config(), MODEL, 1), strategies=(table,))
    (slot,) = build_engine(setup, scorer()).slots
    assert expected == slot.close_guard


def test_a_models_expiry_is_the_engines() -> None:
    """By its metadata; none is never."""
    assert setup_of(config(), MODEL, 1).engine.model_expires_at is None
    mortal = msgspec.structs.replace(MODEL, expires_at=7)
    assert setup_of(config(), mortal, 1).engine.model_expires_at == 7


class Changes:
    """A model that says what the price will do."""

    name, version, output = "daily", "1", "change"
    schema, required = FeatureSchema(("mid",)), frozenset[str]()

    def score(self, row: Sequence[float | None]) -> float:
        return 0.02 if row else 0.0


@pytest.mark.parametrize(
    ("name", "model", "said"),
    [
        ("fair_value", "default", None),
        ("fair_value", "daily", "it reads a probability, and model daily (daily/1) says a change"),
        ("portfolio", "default", "it reads a change, and model default (toy/1) says a probability"),
        ("portfolio", "daily", None),
        ("momentum", "default", None),
        ("momentum", "daily", None),
    ],
)
def test_nobody_takes_a_change_for_a_probability(name: str, model: str, said: str | None) -> None:
    """Two cents up, read as two percent, would sell everything: it is said before anything starts."""
    models = {"default": Model(scorer()), "daily": Model(cast("Scorer", Changes()))}
    table = StrategyTable(name, True, ["A"], {}, model="" if model == "default" else model)
    setup = Setup(setup_of(config(), MODEL, 1).engine, (table,), MODEL)
    found = check_models("config.toml", [table], models)
    if said is None:
        assert found == []
        build_engine(setup, models)
        return
    assert [f"config.toml: strategies.{name}: {said}: give it another one by `model`"] == found
    with pytest.raises(ConfigError, match=re.escape(said)):
        build_engine(setup, models)


def test_a_fallback_that_says_a_change_is_refused() -> None:
    """It takes the place of a probability, at an hour when nobody looks."""
    models = {"default": Model(scorer()), "fallback": Model(cast("Scorer", Changes()))}
    table = StrategyTable("fair_value", True, ["A"], {})
    assert [
        "config.toml: model.fallback: it takes the place of a probability, and daily/1 says a change"
    ] == check_models("config.toml", [table], models)


def test_the_one_model_of_a_test_is_held_against_too() -> None:
    """Without slots as well."""
    table = StrategyTable("portfolio", True, ["A"], {})
    with pytest.raises(ConfigError, match="it reads a change"):
        build_engine(Setup(setup_of(config(), MODEL, 1).engine, (table,), MODEL), scorer())
