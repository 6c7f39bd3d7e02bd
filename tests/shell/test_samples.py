"""The samples of a scrape: one for every family, of its shape, and true to what it is read from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.core import events as e
from daemon.core.breakers import RULES
from daemon.core.engine import Engine
from daemon.core.units import HOUR, MINUTE
from daemon.shell.families import FAMILIES
from daemon.shell.histogram import Histogram
from daemon.shell.samples import PAUSES, PHASES, REFUSALS, Sampler, Samples
from daemon.shell.waiting import PRIORITIES
from tests.core.worlds import CONFIG, NOW, T0, TICKER, Scripted, engine, spec
from tests.shell.beliefs import LATER, SECOND_TICKER, lived
from tests.shell.orders import place
from tests.shell.standing import standing

ORDER_STATES = ("placing", "resting", "amending", "canceling", "unknown")
# What a daemon that lived does not know all the same: nothing was synced to the disk, and no venue told.
NOT_KNOWN = {
    "kalshid_config_last_reload_success_timestamp_seconds",
    "kalshid_journal_fsync_seconds",
    "kalshid_exchange_resume_timestamp_seconds",
    "kalshid_maintenance_start_timestamp_seconds",
    "kalshid_maintenance_end_timestamp_seconds",
    "kalshid_model_challenger_difference",
    "kalshid_orders_unresolved_oldest_timestamp_seconds",
}
# Families whose series appear with what they tell of.
EMPTY = {
    "kalshid_mode_info",
    "kalshid_config_info",
    "kalshid_model_info",
    "kalshid_session_errors",
    "kalshid_refused_frames",
    "kalshid_refused_answers",
    "kalshid_market_staked_dollars",
    "kalshid_market_position_contracts",
    "kalshid_market_mid_dollars",
    "kalshid_reference_last_heard_timestamp_seconds",
    "kalshid_model_brier",
    "kalshid_model_scored_timestamp_seconds",
    "kalshid_model_members_absent",
    "kalshid_model_drift_state",
    "kalshid_model_brier_excess",
    "kalshid_model_calibration_error_ratio",
    "kalshid_model_trained_timestamp_seconds",
    "kalshid_model_psi_max",
}


def sampled(subject: Engine, folder: Path, at: int = LATER) -> Samples:
    with standing(subject, folder) as sources:
        return Sampler(sources).read(at)


def told(*events: e.Event) -> Engine:
    subject = lived()
    for event in events:
        subject.handle(event)
    return subject


@pytest.mark.parametrize("subject", [engine(Scripted()), lived()], ids=["fresh", "lived"])
def test_every_family_has_a_sample_of_its_shape(subject: Engine, tmp_path: Path) -> None:
    """Exactly the keys of the table; as many labels as it says, a histogram where it says so."""
    samples = sampled(subject, tmp_path)
    assert set(FAMILIES) == set(samples)
    for name, family in FAMILIES.items():
        sample = samples[name]
        if family.kind == "histogram":
            histograms = sample.values() if isinstance(sample, Mapping) else [sample]
            assert isinstance(sample, Mapping) == bool(family.labels), name
            assert all(isinstance(one, Histogram) for one in histograms), name
        elif family.labels:
            assert isinstance(sample, Mapping), name
            assert all(isinstance(value, float) for value in sample.values()), name
            widths = {1 if isinstance(label, str) else len(label) for label in sample}
            assert widths <= {len(family.labels)}, name
        else:
            assert sample is None or isinstance(sample, float), name


def test_a_scrape_shows_every_family_of_a_daemon_that_lived(tmp_path: Path) -> None:
    """Rendered and parsed by the official parser: nothing of the table is missing on the wire."""
    with standing(lived(), tmp_path) as sources:
        metrics, sampler = sources.metrics, Sampler(sources)
        metrics.serve(lambda: sampler.read(LATER))
        for histogram in (
            metrics.decision,
            metrics.queue_wait,
            metrics.order_request,
            metrics.read_wait,
            metrics.loop_lag,
            metrics.orders.ack,
            metrics.orders.tick_to_order,
            metrics.stages.journal_append,
        ):
            histogram.observe(70_000)
        text = metrics.render().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    shown = {name for name, family in families.items() if family.samples and not name.startswith("process_")}
    expected = {
        name.removesuffix("_total") if family.kind == "counter" else name for name, family in FAMILIES.items()
    }
    assert expected - NOT_KNOWN - EMPTY == shown


def test_samples_are_what_the_parts_say(tmp_path: Path) -> None:
    """Read from the beliefs at this instant, in base units."""
    with standing(lived(), tmp_path) as sources:
        sources.queue.put(place(1), 0)
        sources.inbox.put(e.FeedHeard("kalshi", LATER))
        samples = Sampler(sources).read(LATER)
        assert float(sources.journal.bytes_total) == samples["kalshid_journal_bytes_total"]
    waiting: dict[str, float] = {name: float(name == "enter") for name in PRIORITIES}
    expected: Samples = {
        "kalshid_ready": 1.0,
        "kalshid_phase": {phase: float(phase == "trading") for phase in PHASES},
        "kalshid_frames_total": {"kalshi": 0.0, "kraken": 0.0},
        "kalshid_feed_connected": {"kalshi": 1.0, "kraken": 0.0},
        "kalshid_feed_connects_total": {"kalshi": 1.0, "kraken": 0.0},
        "kalshid_feed_drops_total": {"kalshi": 0.0, "kraken": 0.0},
        "kalshid_feed_last_heard_timestamp_seconds": {"kalshi": LATER / 1e9},
        "kalshid_transport_lag_seconds": {"kalshi": 0.0},
        "kalshid_books_tracked": 2.0,
        "kalshid_books_synced": 1.0,
        "kalshid_books_unsynced": 0.0,  # the other one is not open yet
        "kalshid_orders_total": 1.0,
        "kalshid_refusals_total": {name: float(name == "qty_out_of_range") for name in REFUSALS},
        "kalshid_orders_open": {name: float(name == "amending") for name in ORDER_STATES},
        "kalshid_queue_depth": waiting,
        "kalshid_order_batches_total": 0.0,
        "kalshid_inbox_depth": 1.0,
        "kalshid_rate_limit_tokens": {"write": 100.0, "read": 200.0},
        "kalshid_rate_limit_capacity_tokens": {"write": 100.0, "read": 200.0},
        "kalshid_drawdown_dollars": 0.0,
        "kalshid_pnl_realized_dollars": -0.0168,
        "kalshid_pnl_unrealized_dollars": 0.04,
        "kalshid_fills_total": {"maker": 1.0, "taker": 0.0},
        "kalshid_fill_contracts_total": 4.0,
        "kalshid_market_staked_dollars": {},
        "kalshid_cash_dollars": 9_998.3832,
        "kalshid_equity_dollars": 10_000.0232,
        "kalshid_pnl_dollars": 0.0232,
        "kalshid_fees_dollars_total": 0.0168,
        "kalshid_audits_total": {"equal": 0.0, "unequal": 0.0, "void": 0.0, "failed": 0.0},
        "kalshid_backfilled_total": {"markets": 0.0, "trades": 0.0, "candles": 0.0},
    }
    assert expected == {name: samples[name] for name in expected}
    states = samples["kalshid_breaker_state"]
    assert isinstance(states, Mapping)
    assert dict.fromkeys(states, 0.0) == states
    assert len(states) == len(RULES)
    infos = samples["kalshid_build_info"]
    assert isinstance(infos, Mapping)
    assert [(installed_version("kalshid"), platform.python_version())] == list(infos)


def test_what_is_not_known_is_none_or_left_out(tmp_path: Path) -> None:
    """Before the account was read there is no cash, no equity and no P&L, not a zero."""
    samples = sampled(engine(Scripted()), tmp_path)
    for name in ("cash_dollars", "equity_dollars", "pnl_dollars", "exchange_resume_timestamp_seconds"):
        assert samples[f"kalshid_{name}"] is None
    for name in ("transport_lag_seconds", "clock_offset_seconds", "feed_last_heard_timestamp_seconds"):
        assert {} == samples[f"kalshid_{name}"]
    assert 0.0 == samples["kalshid_ready"]


def test_in_lockstep_there_is_no_gate_to_tell_of(tmp_path: Path) -> None:
    """Nothing, rather than a gate at which nobody ever waits."""
    with standing(lived(), tmp_path) as sources:
        samples = Sampler(msgspec.structs.replace(sources, gate=None)).read(LATER)
    for name in ("reads_total", "reads_waiting", "reads_limited_total", "read_wait_seconds"):
        assert samples[f"kalshid_{name}"] is None
    assert {"write": 100.0} == samples["kalshid_rate_limit_tokens"]


def test_each_connection_is_told_apart(tmp_path: Path) -> None:
    """Up, down, and when it was last heard, by name; its connects and drops stand nowhere else."""
    subject = told(
        e.MarketRouted(SECOND_TICKER, "kalshi-2", LATER),
        e.FeedConnected("kalshi-2", LATER),
        e.FeedDropped("kalshi-2", "cut", LATER),
        e.FeedConnected("kraken", LATER),
    )
    samples = sampled(subject, tmp_path)
    assert {"kalshi": 1.0, "kalshi-2": 0.0, "kraken": 0.0} == samples["kalshid_feed_connected"]
    assert {"kalshi": 0.0, "kalshi-2": 1.0, "kraken": 0.0} == samples["kalshid_feed_drops_total"]
    assert {"kalshi": 1.0, "kalshi-2": 1.0, "kraken": 1.0} == samples["kalshid_feed_connects_total"]
    heard = samples["kalshid_feed_last_heard_timestamp_seconds"]
    assert {"kalshi": LATER / 1e9, "kalshi-2": LATER / 1e9, "kraken": LATER / 1e9} == heard
    counted = samples["kalshid_events_total"]
    assert isinstance(counted, Mapping)
    assert not [kind for kind in counted if "connects" in kind or "drops" in str(kind)]


def test_the_sessions_tell_errors_by_code_and_refusals_by_shape(tmp_path: Path) -> None:
    """Of the wire as of REST; frames that are not for us are counted among the kinds."""
    with standing(lived(), tmp_path) as sources:
        session = sources.feeds.session
        session.connected(T0)
        session.receive(b'{"type":"error","id":99,"msg":{"code":8,"msg":"no"}}', T0)
        session.receive(b'{"type":"news","sid":1,"seq":1,"msg":{}}', T0)
        sources.rest.refused.refuse("/markets: missing required field ticker")
        samples = Sampler(sources).read(LATER)
    assert {"8": 1.0} == samples["kalshid_session_errors_total"]
    kinds = samples["kalshid_session_total"]
    assert isinstance(kinds, Mapping)
    assert 1.0 == kinds["refused"]  # type: ignore[index]
    (shape,) = samples["kalshid_refused_frames_total"]  # type: ignore[misc]
    assert "news" in shape
    shapes = {"/markets: missing required field ticker": 1.0}
    assert shapes == samples["kalshid_refused_answers_total"]


def test_open_markets_without_a_book_are_told_and_those_left_are_not(tmp_path: Path) -> None:
    """A market that fell out of the filter, and in which we still hold something, misses no book."""
    lost = told(e.BookLost(TICKER, "gap", LATER))
    samples = sampled(lost, tmp_path / "lost")
    assert (2.0, 0.0, 1.0) == tuple(
        samples[f"kalshid_books_{name}"] for name in ("tracked", "synced", "unsynced")
    )
    left = told(e.MarketDropped(TICKER, LATER))
    samples = sampled(left, tmp_path / "left")
    assert TICKER in left.state.markets
    assert (1.0, 0.0) == (samples["kalshid_books_tracked"], samples["kalshid_books_unsynced"])


def test_markets_that_wait_for_their_past_are_counted(tmp_path: Path) -> None:
    """From the listing to `MarketBackfilled`."""
    subject = engine(Scripted(), msgspec.structs.replace(CONFIG, is_backfilled=True))
    subject.handle(e.MarketListed(spec(), T0))
    assert 1.0 == sampled(subject, tmp_path / "before")["kalshid_backfill_waiting"]
    subject.handle(e.MarketBackfilled(TICKER, NOW))
    assert 0.0 == sampled(subject, tmp_path / "after")["kalshid_backfill_waiting"]


def test_audits_drift_and_quiet_channels_are_told(tmp_path: Path) -> None:
    """Two unequal audits give a book up; a frame too many that can't be read is drift."""
    subject = told(
        e.BookAudited(TICKER, False, LATER),
        e.BookAudited(TICKER, False, LATER),
        e.ChannelQuieted("kalshi", "trade", 5 * MINUTE, LATER),
        e.TradesLost("kalshi", "gap", LATER),
        *(e.FrameRefused("kalshi", "new", LATER) for _ in range(CONFIG.limits.refused_per_minute_max + 1)),
    )
    with standing(subject, tmp_path) as sources:
        sources.audit.counts["unequal"] += 2
        sampler = Sampler(sources)
        samples, later = sampler.read(LATER), sampler.read(LATER + 2 * MINUTE)
    assert 1.0 == samples["kalshid_audit_failures_total"]
    assert {"equal": 0.0, "unequal": 2.0, "void": 0.0, "failed": 0.0} == samples["kalshid_audits_total"]
    quiet = {("kalshi", "trade"): 1.0, ("kalshi", "orderbook_delta"): 0.0}
    assert quiet == samples["kalshid_channel_quiet"]
    assert 1.0 == samples["kalshid_trades_lost_total"]
    assert (1.0, 0.0) == (samples["kalshid_schema_drift"], later["kalshid_schema_drift"])


def test_pauses_and_maintenance_are_told(tmp_path: Path) -> None:
    """Of the shards that we watch, with the time of resuming, and the window that is next."""
    windows = ((LATER - HOUR, LATER - MINUTE), (LATER + HOUR, LATER + 3 * HOUR))
    other_shard, ours = e.ShardStatus(0, True, True), e.ShardStatus(2, True, False)
    subject = told(
        e.ExchangeStatusTold(True, True, (other_shard, ours), LATER + MINUTE, LATER),
        e.MaintenancePlanned(windows, LATER),
    )
    with standing(subject, tmp_path) as sources:
        sampler = Sampler(sources)
        samples, within = sampler.read(LATER), sampler.read(LATER + 2 * HOUR)
    expected = {pause: float(pause == "trading_paused") for pause in PAUSES}
    assert expected == samples["kalshid_exchange_paused"]
    assert expected | {"maintenance": 1.0} == within["kalshid_exchange_paused"]
    assert (LATER + MINUTE) / 1e9 == samples["kalshid_exchange_resume_timestamp_seconds"]
    assert (LATER + HOUR) / 1e9 == samples["kalshid_maintenance_start_timestamp_seconds"]
    assert (LATER + 3 * HOUR) / 1e9 == samples["kalshid_maintenance_end_timestamp_seconds"]


def test_the_source_in_force_is_told_for_every_symbol(tmp_path: Path) -> None:
    """One is 1 and the others are 0, all 0 where none is well; and whether it is the preferred one."""
    index = e.ReferencePriceReceived("cfbenchmarks", "BRTI", 84_000_000_000, LATER, LATER)
    trade = e.ReferencePriceReceived("kraken", "BTC/USD", 84_000_000_000, LATER, LATER)
    for name, events, kraken, cfbenchmarks in (
        ("none", (), 0.0, 0.0),
        ("index", (index,), 0.0, 1.0),
        ("both", (index, trade), 1.0, 0.0),
    ):
        samples = sampled(told(*events), tmp_path / name)
        by_source = {("BTC/USD", "kraken"): kraken, ("BTC/USD", "cfbenchmarks"): cfbenchmarks}
        assert by_source == samples["kalshid_reference_in_force"]
        assert {"BTC/USD": kraken} == samples["kalshid_reference_preferred"]
        assert (
            dict.fromkeys((one.source for one in events), LATER / 1e9)
            == (samples["kalshid_reference_last_heard_timestamp_seconds"])
        )


def test_krakens_word_on_itself_is_one_of_few(tmp_path: Path) -> None:
    """A state that nobody has heard of counts as another one; before any word all are 0."""
    with standing(lived(), tmp_path) as sources:
        for system, shown in ((None, None), ("online", "online"), ("brand_new", "other")):
            sources.reference.session.system = system
            states = Sampler(sources).read(LATER)["kalshid_kraken_system"]
            assert isinstance(states, Mapping)
            assert [name for name, value in states.items() if value] == ([shown] if shown else [])


def test_the_gate_tells_its_lines_and_refusals(tmp_path: Path) -> None:
    """Reads by line; what the venue limited, of reads and of orders."""
    with standing(lived(), tmp_path) as sources:
        assert sources.gate is not None
        sources.gate.passed["account"] += 3
        sources.gate.limited += 1
        sources.metrics.orders_limited += 2
        samples = Sampler(sources).read(LATER)
    assert {"account": 3.0, "market": 0.0} == samples["kalshid_reads_total"]
    assert {"account": 0.0, "market": 0.0} == samples["kalshid_reads_waiting"]
    assert (1.0, 2.0) == (samples["kalshid_reads_limited_total"], samples["kalshid_orders_limited_total"])


def test_no_label_names_a_market_or_an_order(tmp_path: Path) -> None:
    """Labels have few values: a series per market or order would grow for ever."""
    with standing(lived(), tmp_path) as sources:
        sampler = Sampler(sources)
        sources.metrics.serve(lambda: sampler.read(LATER))
        text = sources.metrics.render().decode()
    assert TICKER not in text
    assert "kd-" not in text
