"""The daemon's parts, joined as in a run and standing still: nothing is connected, and no task runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from daemon.config_tables import Markets
from daemon.core.backoff import Backoff
from daemon.core.engine import Engine
from daemon.core.pacer import Pacer
from daemon.kalshi.bodies import EndpointCosts
from daemon.kalshi.costs import RECORDED, Costs
from daemon.kalshi.rest import Rest
from daemon.kalshi.session import Session
from daemon.kraken.session import Session as KrakenSession
from daemon.shell.audit import Audit
from daemon.shell.backfill import Backfill
from daemon.shell.discovery import Discovery
from daemon.shell.feeds import Feeds
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.loop import Inbox
from daemon.shell.metrics import Metrics
from daemon.shell.queue import OrderQueue
from daemon.shell.read_gate import ReadGate
from daemon.shell.reference import ReferenceSource
from daemon.shell.samples import Sources
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.rows import Run
from tests.core.worlds import T0
from tests.shell.beliefs import LATER


def _backoff() -> Backoff:
    return Backoff(lambda: 0.5)


@contextmanager
def standing(subject: Engine, folder: Path, *, markets_per_connection: int = 400) -> Iterator[Sources]:
    """Yield the parts around an engine; their clock says LATER."""
    header = JournalHeader(kalshid_version="0", instance="test", epoch=1, engine=msgspec.Raw(b"\xc0"))
    journal = Journal.create(folder, header)
    inbox, rest = Inbox(), Rest("http://127.0.0.1:9", None, lambda: T0)

    def now() -> int:
        return LATER

    feeds = Feeds(
        Session("kalshi"),
        inbox,
        now=now,
        backoff=_backoff,
        silence_s=15,
        markets_per_connection=markets_per_connection,
    )
    run = Run(LATER, "sandbox", "0", "[]", "", "", "")
    recorder = Recorder(folder / STORE_NAME, subject, run, cost=lambda _method, _path: 10, now=now)
    try:
        yield Sources(
            engine=subject,
            metrics=Metrics(),
            journal=journal,
            inbox=inbox,
            rest=rest,
            gate=ReadGate(Pacer(200, 100, 60), Costs(EndpointCosts(10, [])), now=now, requests_per_s_max=30),
            queue=OrderQueue(
                rest,
                Pacer(100, 100, 20),
                RECORDED,
                now=now,
                vouch=subject.vouch,
                synced=journal.synced,
                emit=inbox.put,
                requests_per_s_max=10,
                in_flight_max=4,
            ),
            feeds=feeds,
            reference=ReferenceSource(KrakenSession(), None, now=now, emit=inbox.extend, backoff=_backoff),
            discovery=Discovery(rest, feeds, Markets(), now=now, emit=inbox.put),
            backfill=Backfill(rest, silence=15, now=now, emit=inbox.put, backlog=lambda: len(inbox)),
            audit=Audit(rest, subject.state.markets, every=30, now=now, emit=inbox.put),
            recorder=recorder,
        )
    finally:
        recorder.close()
        journal.close()
