"""The page of a run that stands still: opened, told, closed; what is wrong with it stops nothing else."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from daemon.core.engine import Engine
from daemon.core.units import Ns
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.page.opening import PageTerms, open_page
from daemon.shell.page.recent import Recent
from daemon.shell.page.token import TOKEN_FILE
from daemon.shell.queue_places import QueuePlaces
from daemon.shell.web import WebFailed
from tests.core.worlds import TICKER
from tests.e2e.daemon_process import free_port
from tests.shell.beliefs import LATER, SECOND_TICKER, lived
from tests.shell.orders import until
from tests.shell.standing import standing

TEST_WITHIN_S = 20.0


def no_notes(_now: Ns) -> tuple[str, ...]:
    """Nothing to say."""
    return ("a note",)


@asynccontextmanager
async def opened(
    folder: Path, listen: str, *, mode: str = "sandbox", subject: Engine | None = None, notes: Any = no_notes
) -> AsyncIterator[Engine]:
    """The page of an engine that has lived a little."""
    engine = lived() if subject is None else subject
    switch = KillSwitch(Latch(folder), now=lambda: LATER, emit=engine.handle)
    with standing(engine, folder) as sources:
        places = QueuePlaces(sources.rest, engine.state, now=lambda: LATER, emit=engine.handle)
        terms = PageTerms(
            sources, switch, Recent(), places, mode, folder, now=lambda: LATER, notes=notes,
            unready=lambda: None,
        )  # fmt: skip
        async with asyncio.timeout(TEST_WITHIN_S), AsyncExitStack() as stack:
            await open_page(listen, terms, stack)
            yield engine


async def first_events(port: int, query: str = "") -> dict[str, Any]:
    """The first event of each kind."""
    found: dict[str, Any] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/events{query}") as reply,
    ):
        while len(found) < 3:
            line = (await reply.content.readline()).decode()
            if line.startswith("event: "):
                content = (await reply.content.readline()).decode().removeprefix("data: ")
                found[line.removeprefix("event: ").strip()] = json.loads(content)
    return found


async def test_the_page_tells_what_the_core_believes(tmp_path: Path) -> None:
    """Its mode first; the first market unless another is chosen; curves from when it was opened."""
    port = free_port()
    async with opened(tmp_path, f"127.0.0.1:{port}"):
        await asyncio.sleep(0.05)
        found = await first_events(port)
        assert ("PAPER · sandbox", False) == (found["opening"]["mode"], found["opening"]["is_live"])
        assert 1 == len(found["opening"]["market"]) == len(found["opening"]["account"])
        assert (TICKER, "trading") == (found["market"]["ticker"], found["account"]["phase"])
        assert ["a note"] == found["account"]["notes"]
        assert SECOND_TICKER == (await first_events(port, f"?market={SECOND_TICKER}"))["market"]["ticker"]
        assert 0o600 == (tmp_path / TOKEN_FILE).stat().st_mode & 0o777


async def test_real_money_is_the_first_word(tmp_path: Path) -> None:
    """LIVE, and told apart from paper by more than a word."""
    port = free_port()
    async with opened(tmp_path, f"localhost:{port}", mode="live"):
        opening = (await first_events(port))["opening"]
        assert (True, "LIVE") == (opening["is_live"], opening["mode"][:4])


async def test_an_empty_address_opens_nothing(tmp_path: Path) -> None:
    """No listener, no token."""
    async with opened(tmp_path, ""):
        assert not (tmp_path / TOKEN_FILE).exists()


async def test_a_taken_address_is_named(tmp_path: Path) -> None:
    """With the key and the value, as that of the metrics is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WebFailed, match=rf"page\.listen = '{listen}'"):
            async with opened(tmp_path, listen):
                pass


async def test_a_page_that_fails_is_said_and_ends_no_run(tmp_path: Path) -> None:
    """Nobody trades by what he sees there."""

    def broken(_now: Ns) -> tuple[str, ...]:
        raise ZeroDivisionError

    with capture_logs() as lines:
        async with opened(tmp_path, f"127.0.0.1:{free_port()}", notes=broken):
            await until(lambda: any(line["event"] == "page.failed" for line in lines))
