"""The samples of a scrape: one for every family, of its shape, and true to what it is read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.core import events as e
from daemon.core.engine import Engine
from daemon.core.pacer import Pacer
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox
from daemon.shell.metrics import FAMILIES, Histogram, Metrics, Sample
from daemon.shell.queue import OrderQueue
from daemon.shell.samples import PHASES, read_samples
from tests.core.worlds import T0, TICKER, Scripted, engine
from tests.shell.beliefs import LATER, lived
from tests.shell.orders import place


class Daemon:
    """The parts that a scrape reads, joined as in a run, standing still."""

    def __init__(self, subject: Engine, journal: Journal) -> None:
        self.engine = subject
        self.metrics = Metrics()
        self.inbox = Inbox()
        self.journal = journal
        self.session = Session("kalshi")
        self.queue = OrderQueue(
            Rest("http://127.0.0.1:9", None, lambda: T0),
            Pacer(100, 100, 20),
            now=lambda: LATER,
            vouch=subject.vouch,
            synced=journal.synced,
            emit=self.inbox.put,
            requests_per_s_max=10,
            in_flight_max=4,
        )
        self.metrics.serve(self.read)

    def read(self) -> dict[str, Sample | None]:
        return read_samples(
            self.engine,
            self.metrics,
            self.queue,
            self.journal,
            self.inbox,
            now=LATER,
            frames={"kalshi": 12, "reference": 3},
            session=self.session.counters,
        )


@contextmanager
def daemon(subject: Engine, folder: Path) -> Iterator[Daemon]:
    header = JournalHeader(kalshid_version="0", instance="test", epoch=1, engine=msgspec.Raw(b"\xc0"))
    journal = Journal.create(folder, header)
    try:
        yield Daemon(subject, journal)
    finally:
        journal.close()


@pytest.mark.parametrize("subject", [engine(Scripted()), lived()], ids=["fresh", "lived"])
def test_every_family_has_a_sample_of_its_shape(subject: Engine, tmp_path: Path) -> None:
    """Exactly the keys of the table; a dict where there is a label, a histogram where it says so."""
    with daemon(subject, tmp_path) as joined:
        samples = joined.read()
    assert set(FAMILIES) == set(samples)
    for name, family in FAMILIES.items():
        sample = samples[name]
        if family.kind == "histogram":
            assert isinstance(sample, Histogram), name
        elif family.label is not None:
            assert isinstance(sample, dict), name
            assert all(isinstance(value, float) for value in sample.values()), name
        else:
            assert sample is None or isinstance(sample, float), name


def test_a_scrape_shows_every_family_of_a_daemon_that_lived(tmp_path: Path) -> None:
    """Rendered and parsed by the official parser: nothing of the table is missing on the wire."""
    with daemon(lived(), tmp_path) as joined:
        for histogram in (joined.metrics.decision, joined.metrics.queue_wait, joined.metrics.order_request):
            histogram.observe(70_000)
        text = joined.metrics.render().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    shown = {name for name, family in families.items() if family.samples}
    expected = {
        name.removesuffix("_total") if family.kind == "counter" else name for name, family in FAMILIES.items()
    }
    # The one value that is not known here: nothing was synced to the disk yet.
    assert expected - {"kalshid_journal_fsync_seconds"} == shown


def test_samples_are_what_the_parts_say(tmp_path: Path) -> None:
    """Read from the beliefs at this instant, in base units."""
    with daemon(lived(), tmp_path) as joined:
        joined.queue.put(place(1), 0)
        joined.inbox.put(e.FeedHeard("kalshi", LATER))
        joined.metrics.api_outcomes["ok"] += 2
        samples = joined.read()
        assert float(joined.journal.bytes_total) == samples["kalshid_journal_bytes_total"]
    expected: dict[str, object] = {
        "kalshid_ready": 1.0,
        "kalshid_phase": {phase: float(phase == "trading") for phase in PHASES},
        "kalshid_frames_total": {"kalshi": 12.0, "reference": 3.0},
        "kalshid_feed_connects_total": {"kalshi": 1.0, "reference": 0.0},
        "kalshid_feed_last_heard_timestamp_seconds": LATER / 1e9,
        "kalshid_books_tracked": 2.0,
        "kalshid_books_synced": 1.0,
        "kalshid_orders_total": 1.0,
        "kalshid_refusals_total": {"qty_out_of_range": 1.0},
        "kalshid_orders_open": {"amending": 1.0},
        "kalshid_queue_depth": 1.0,
        "kalshid_inbox_depth": 1.0,
        "kalshid_rate_limit_tokens": 100.0,
        "kalshid_breaker_open": 0.0,
        "kalshid_api_requests_total": {"ok": 2.0, "refused": 0.0, "failed": 0.0},
        "kalshid_cash_dollars": 9_998.3832,
        "kalshid_equity_dollars": 10_000.0232,
        "kalshid_pnl_dollars": 0.0232,
        "kalshid_fees_dollars_total": 0.0168,
        "kalshid_session_total": {"gaps": 0.0, "duplicates": 0.0, "resets": 0.0, "refused": 0.0},
    }
    assert expected == {name: samples[name] for name in expected}
    (version,) = samples["kalshid_build_info"]  # type: ignore[misc]
    assert version[0].isdigit()


def test_what_is_not_known_is_none(tmp_path: Path) -> None:
    """Before the account was read there is no cash, no equity and no P&L, not a zero."""
    with daemon(engine(Scripted()), tmp_path) as joined:
        samples = joined.read()
    for name in ("cash_dollars", "equity_dollars", "pnl_dollars", "transport_lag_seconds"):
        assert samples[f"kalshid_{name}"] is None
    assert 0.0 == samples["kalshid_ready"]


def test_no_label_names_a_market_or_an_order(tmp_path: Path) -> None:
    """Labels have few values: a series per market or order would grow for ever."""
    with daemon(lived(), tmp_path) as joined:
        text = joined.metrics.render().decode()
    assert TICKER not in text
    assert "kd-" not in text
