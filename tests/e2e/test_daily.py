"""The daily pipeline end to end: the sandbox's REST, the store, a model, and its answers over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

pytest.importorskip("duckdb", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")

from daemon.core.units import DAY
from daemon.lab.daily_rows import FEATURES, TABLES, DailyRows, read_daily_rows
from daemon.lab.daily_training import Order, Trained, train_daily
from daemon.lab.ingest.kalshi import Request, ingest_kalshi
from daemon.lab.serve.bodies import Daily, Prediction, Refusal
from daemon.lab.store import open_store
from daemon.sandbox.flows import economics
from daemon.sandbox.flows.traders import TradersFlow
from daemon.scoring.vetting import load_vetted
from daemon.shell.child import SandboxChild
from tests.lab.ingest.past_venue import rest_of
from tests.lab.serve.test_server import listening
from tests.sandbox.running import running

SERIES = economics.SERIES.ticker
WITHIN_S = 150.0


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty events of a market that lives a week: the same series, told in seconds."""
    monkeypatch.setattr(economics, "_LIFE", 7 * DAY)
    monkeypatch.setattr(economics, "_STRIKES", range(1))
    monkeypatch.setattr(economics, "KEPT_FOR", 20 * 7 * DAY)


async def read_past(folder: Path) -> DailyRows:
    """Return the rows of the series' whole past, as a running sandbox serves it."""
    async with running(folder / "sandbox", TradersFlow) as client, rest_of(client) as venue:
        now = client.sandbox.venue.clock.now
        wanted = Request(SERIES, now() - 300 * DAY, periods=(60,))
        with open_store(folder / "store", may_create=True) as store:
            tally = await ingest_kalshi(venue, store, wanted, now=now)
            assert {} == tally.left_out
            return read_daily_rows(store, [SERIES], FEATURES["daily"], store.sha256s(*TABLES))


async def test_a_series_is_read_trained_on_and_asked(tmp_path: Path, brief: None) -> None:
    """/predict answers with what the registered model says, bit for bit; /predict/pnl with its table."""
    async with asyncio.timeout(60):
        rows = await read_past(tmp_path)
        assert 20 == len(rows.markets)
        order = Order("daily", (SERIES,), folds=1, trials=1)
        trained: Trained = await asyncio.to_thread(train_daily, tmp_path / "models", rows, order)
        scorer = load_vetted(trained.folder).scorer
        row: list[float | None] = [None] * len(scorer.schema.names)
        row[scorer.schema.names.index("RET_1")] = 0.0125
        async with listening(tmp_path / "models") as client:
            async with client.get("/predict", params={"RET_1": "0.0125"}) as answer:
                said = msgspec.json.decode(await answer.read(), type=Prediction)
            assert (200, scorer.score(row)) == (answer.status, said.value)
            async with client.get("/predict/pnl") as answer:
                table = msgspec.json.decode(await answer.read(), type=Daily)
            assert (trained.report.headline, len(trained.table.rows)) == (table.headline, len(table.rows))
            for strange in ({"RET_99": "1"}, {"RET_1": "much"}):
                async with client.get("/predict", params=strange) as answer:
                    refused = msgspec.json.decode(await answer.read(), type=Refusal)
                assert (422, True) == (answer.status, bool(refused.error))


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Path]:
    """A folder with a configuration, whose sandbox runs as a process of its own."""
    (tmp_path / "config.toml").write_text('state_dir = "var"\n')
    child = SandboxChild(tmp_path / "var" / "sandbox", ["--idle-exit", "300s"])
    asyncio.run(child.start())
    try:
        yield tmp_path
    finally:
        asyncio.run(child.stop())


def kalshid(folder: Path, *words: str) -> str:
    """Run a command of the lab in a folder; return what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", "daemon", "lab", *words], cwd=folder, capture_output=True, text=True,
        timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert 0 == ran.returncode, ran.stderr
    return ran.stdout


@pytest.mark.full
def test_the_whole_past_by_the_commands_alone(venue: Path) -> None:
    """Ingest, daily, serve: forty events, a verdict first, and answers of the model that it names."""
    options = ("--from", "2020-01-01", "--period", "60", "--store", "store")
    kalshid(venue, "ingest", "kalshi", "--config", "config.toml", "--series", SERIES, *options)
    said = kalshid(venue, "daily", "--store", "store", "--series", SERIES).splitlines()
    assert '"no change"' in said[0]
    words = [sys.executable, "-m", "daemon", "lab", "serve", "--port", "0"]
    with subprocess.Popen(words, cwd=venue, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            base = address if address.startswith("http") else f"http://{address}"
            with urlopen(f"{base}/predict?RET_1=0.01&VOL_YES_1=120", timeout=30) as answer:
                assert "daily/1" == json.load(answer)["model"]
            with urlopen(f"{base}/predict/pnl", timeout=30) as answer:
                table = json.load(answer)
            assert (said[0], True) == (table["headline"], len(table["rows"]) > 1_000)
        finally:
            server.terminate()
