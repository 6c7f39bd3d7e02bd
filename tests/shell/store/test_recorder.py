"""What feeds the store, and what goes wrong there: none of it reaches what trades."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import structlog

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.engine import Engine
from daemon.core.strategy import Target
from daemon.core.units import SECOND
from daemon.shell.store import STORE_NAME, Recorder
from daemon.shell.store.projection import Projection
from daemon.shell.store.rows import Run
from tests.core.worlds import NOW, TICKER, Scripted, trading

RUN = Run(NOW, "demo", "0", "[]", "m", "l", "c")


def recorder(folder: Path, engine: Engine | None = None) -> Recorder:
    """A recorder whose clock says NOW."""
    engine = trading(Scripted()) if engine is None else engine
    return Recorder(folder / STORE_NAME, engine, RUN, cost=lambda _method, _path: 2, now=lambda: NOW)


def kept(folder: Path, table: str) -> list[tuple[object, ...]]:
    """The rows of a table without their run."""
    database = sqlite3.connect(folder / STORE_NAME)
    try:
        return [row[1:] for row in database.execute(f"SELECT * FROM {table} ORDER BY at")]
    finally:
        database.close()


def test_a_run_has_a_beginning_and_an_end(tmp_path: Path) -> None:
    """Its mode and fingerprints, why it ended and by which code; all under the engine's epoch."""
    engine = trading(Scripted())
    subject = recorder(tmp_path, engine)
    subject.end("SIGTERM", 0)
    subject.close()
    subject.close()
    assert [(NOW, "demo", "0", "[]", "m", "l", "c")] == kept(tmp_path, "runs")
    assert [(NOW, "SIGTERM", 0)] == kept(tmp_path, "run_ends")
    database = sqlite3.connect(tmp_path / STORE_NAME)
    assert [(engine.config.epoch,)] == database.execute("SELECT epoch FROM runs").fetchall()
    database.close()


def test_a_request_is_kept_without_its_query(tmp_path: Path) -> None:
    """Method, path, status, latency and tokens; a batch's cost is its orders', and no answer is NULL."""
    subject = recorder(tmp_path)
    subject.on_call("GET", "/portfolio/fills?cursor=secret", 200, 0.5)
    subject.on_call("POST", "/portfolio/events/orders/batched", None, 0.25)
    subject.close()
    assert [
        (NOW - SECOND // 2, "GET", "/portfolio/fills", 200, SECOND // 2, 2),
        (NOW - SECOND // 4, "POST", "/portfolio/events/orders/batched", None, SECOND // 4, None),
    ] == kept(tmp_path, "api_calls")


def test_what_is_handled_and_decided_is_kept(tmp_path: Path) -> None:
    """The pump's batches become rows; the last second is written at the end."""
    engine = trading(Scripted())
    subject = recorder(tmp_path, engine)
    events = [e.HaltRequested("a test", NOW, "cli")]
    engine.handle(events[0])
    subject.on_batch(events, engine.decide(NOW))
    subject.end("done", 0)
    subject.close()
    assert ["halt", "latch"] == [row[1] for row in kept(tmp_path, "halts")]
    assert {"written": len(kept(tmp_path, "equity")) + 4, "lost": 0} == {
        **subject.rows, "written": subject.rows["written"] - len(kept(tmp_path, "refusals")),
    }  # fmt: skip


def test_a_store_that_cant_be_opened_is_said_and_missed(tmp_path: Path) -> None:
    """Trading begins without it; the metric says that it fails, and why."""
    (tmp_path / STORE_NAME).write_text("dear diary, " * 100)
    subject = recorder(tmp_path)
    subject.on_batch([e.HaltRequested("a test", NOW, "cli")], [])
    subject.on_call("GET", "/x", 200, 0.1)
    subject.end("done", 0)
    subject.close()
    assert "not a database" in (subject.failure or "")
    assert {"written": 0, "lost": 0} == subject.rows


def test_a_mistake_in_the_projection_stops_no_trading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, nothing more is projected, and requests are kept on."""

    def stumble(*_: object) -> None:
        raise KeyError("what nobody foresaw")

    monkeypatch.setattr(Projection, "rows", stumble)
    subject = recorder(tmp_path)
    for _ in range(2):
        subject.on_batch([e.HaltRequested("a test", NOW, "cli")], [])
    subject.on_call("GET", "/x", 200, 0.1)
    subject.end("done", 0)
    subject.close()
    assert "KeyError: 'what nobody foresaw'" == subject.failure
    assert (1, 1) == (len(kept(tmp_path, "api_calls")), len(kept(tmp_path, "run_ends")))


def test_an_orders_life_is_in_the_log_too(tmp_path: Path) -> None:
    """By its client order id, in words: each state, and each fill."""
    strategy = Scripted()
    engine = trading(strategy)
    subject = recorder(tmp_path, engine)
    strategy.targets = (Target("bid", 3_900, 100, "rest", "test"),)
    with structlog.testing.capture_logs() as said:
        event = e.BookDeltaReceived(TICKER, "yes", 3_900, 100, NOW, NOW)
        engine.handle(event)
        commands = engine.decide(NOW)
        subject.on_batch([event], commands)
    subject.close()
    (placed,) = (command for command in commands if isinstance(command, PlaceOrder))
    assert [("order.changed", placed.client_order_id, TICKER)] == [
        (line["event"], line["client_order_id"], line["ticker"]) for line in said
    ]
