"""Another configuration in a daemon that trades: whole or not at all, and nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
import structlog.testing

from daemon.config import Config
from daemon.core.units import QTY_ONE, SECOND
from daemon.shell.control import Declined, Status, serve_control
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.reloads import ReloadOrder, ReloadRefused, ask_config, ask_reload, routes_of
from tests.core.worlds import NOW
from tests.shell.reload_load import reload_under_load
from tests.shell.reload_rig import START, Daemon

WITHIN_S = 60.0


@asynccontextmanager
async def running(
    root: Path,
    *,
    is_bound: bool = False,
    within_s: float = WITHIN_S,
    first: str = "",
    is_wide: bool = False,
) -> AsyncIterator[Daemon]:
    """A daemon whose pump turns; the others are `Daemon`'s."""
    daemon = Daemon(root, is_bound=is_bound, first=first, is_wide=is_wide)
    daemon.inbox.extend(START)
    async with asyncio.timeout(within_s):
        task = asyncio.create_task(daemon.pump())
        try:
            yield daemon
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            daemon.journal.close()


async def test_a_good_file_is_in_force_when_it_is_answered(tmp_path: Path) -> None:
    """The core decides by it, the parts outside have heard, and the metrics say when and what."""
    async with running(tmp_path) as daemon:
        before = daemon.metrics.config_sha256
        daemon.write(order_contracts_max=60, edge_min=0.03)
        daemon.at += SECOND
        reloaded = await daemon.reloads.reload("test")
        assert "applied" == reloaded.outcome
        assert {"risk.order_contracts_max": "tightens", "strategies.fair_value.edge_min": "now"} == {
            one.key: one.effect for one in reloaded.changes
        }
        assert 60 * QTY_ONE == daemon.engine.config.limits.order_qty_max
        assert [100] == daemon.taken
        assert (reloaded.sha256, daemon.at, True) == (
            daemon.metrics.config_sha256, daemon.metrics.config_loaded_at, daemon.metrics.is_config_loaded,
        )  # fmt: skip
        assert before != reloaded.sha256 == daemon.reloads.in_force.sha256


async def test_two_who_ask_at_once_change_it_once(tmp_path: Path) -> None:
    """A newer systemd sends SIGHUP beside the unit's ExecReload=: both hear the same end, good or bad."""
    async with running(tmp_path) as daemon:
        daemon.write(order_contracts_max=60)
        both = await asyncio.gather(daemon.reloads.reload("SIGHUP"), daemon.reloads.reload("cli"))
        assert ["applied", "unchanged"] == [one.outcome for one in both]
        assert both[0].sha256 == both[1].sha256
        daemon.write(order_contracts_max=60, edge_min='"much"')
        refused = await asyncio.gather(
            daemon.reloads.reload("SIGHUP"), daemon.reloads.reload("cli"), return_exceptions=True
        )
        assert [ReloadRefused, ReloadRefused] == [type(one) for one in refused]
        assert 60 * QTY_ONE == daemon.engine.config.limits.order_qty_max


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[sandbox]\nseed = 9\n", "sandbox.seed: 1 -> 9 (needs a restart)"),
        ("[audit]\neverys = 9\n", "audit.everys: unknown key; did you mean every_s?"),
        ("[strategies.momentum]\nenabled = true\n", "strategies.momentum: series is missing"),
    ],
)
async def test_what_is_wrong_or_fixed_changes_nothing(tmp_path: Path, more: str, words: str) -> None:
    """Not even what is right beside it; the metric falls until a reload is good again."""
    async with running(tmp_path) as daemon:
        daemon.write(more, order_contracts_max=60)
        with pytest.raises(ReloadRefused) as refused, structlog.testing.capture_logs() as logs:
            await daemon.reloads.reload("test")
        assert words in str(refused.value)
        assert 100 * QTY_ONE == daemon.engine.config.limits.order_qty_max
        assert not daemon.metrics.is_config_loaded
        assert ["config.reload_refused"] == [line["event"] for line in logs]
        daemon.write()
        assert "unchanged" == (await daemon.reloads.reload("test")).outcome
        assert daemon.metrics.is_config_loaded


async def test_a_limit_that_loosens_waits_for_the_second_word(tmp_path: Path) -> None:
    """The word is of this very file: after another edit it is another one."""
    async with running(tmp_path) as daemon:
        daemon.write(order_contracts_max=200)
        first = await daemon.reloads.reload("test")
        assert ("unconfirmed", 100 * QTY_ONE) == (first.outcome, daemon.engine.config.limits.order_qty_max)
        daemon.write(order_contracts_max=300)
        assert first.token is not None
        second = await daemon.reloads.reload("test", first.token)
        assert "unconfirmed" == second.outcome
        assert second.token is not None
        assert "applied" == (await daemon.reloads.reload("test", second.token)).outcome
        assert 300 * QTY_ONE == daemon.engine.config.limits.order_qty_max


async def test_what_the_core_takes_in_late_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for want of time it comes into force all the same: the old file is not "unchanged" then."""
    monkeypatch.setattr("daemon.shell.reloads.TAKEN_WITHIN_S", 0.02)
    daemon = Daemon(tmp_path)
    daemon.inbox.extend(START)
    daemon.write(order_contracts_max=60)
    with pytest.raises(ReloadRefused, match="may still: reload again"):
        await daemon.reloads.reload("test")
    daemon.write()
    with pytest.raises(ReloadRefused, match="may still: reload again"):
        await daemon.reloads.reload("test")
    async with asyncio.timeout(WITHIN_S):
        task = asyncio.create_task(daemon.pump())
        while daemon.engine.changes.sha256 is None:  # noqa: ASYNC110 - a turn of the pump
            await asyncio.sleep(0)
        assert 60 == daemon.reloads.in_force.values["risk.order_contracts_max"]
        assert "unconfirmed" == (await daemon.reloads.reload("test")).outcome
        assert [60 * QTY_ONE, 1] == [daemon.engine.config.limits.order_qty_max, len(daemon.taken)]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    daemon.journal.close()


async def test_a_wrong_word_is_said_to_be_wrong(tmp_path: Path) -> None:
    """It is no question asked for the first time; nothing is changed by it, and the log has it."""
    async with running(tmp_path) as daemon:
        daemon.write(order_contracts_max=200)
        assert not (await daemon.reloads.reload("test")).is_word_wrong
        with structlog.testing.capture_logs() as logs:
            second = await daemon.reloads.reload("test", "deadbeef")
        assert ("unconfirmed", True) == (second.outcome, second.is_word_wrong)
        assert ["deadbeef"] == [line["wrong_word"] for line in logs]
        assert 100 * QTY_ONE == daemon.engine.config.limits.order_qty_max


@pytest.mark.parametrize("part", ["read", "prepare", "now", "emit"])
async def test_whatever_fails_refuses_it_and_the_daemon_goes_on(tmp_path: Path, part: str) -> None:
    """A full disk, or a mistake of ours: counted, told with its place in the code; the next one is good."""

    def fail(*_: object) -> NoReturn:
        raise OSError(5, "the disk is gone")

    async with running(tmp_path) as daemon:
        terms = daemon.reloads._terms
        daemon.reloads._terms = msgspec.structs.replace(terms, **{part: fail})
        daemon.write(order_contracts_max=60, edge_min=0.03)
        with pytest.raises(ReloadRefused, match="the disk is gone"), structlog.testing.capture_logs() as logs:
            await daemon.reloads.reload("test")
        assert [("config.reload_refused", True)] == [(one["event"], "exc_info" in one) for one in logs]
        assert not daemon.metrics.is_config_loaded
        assert (100 * QTY_ONE, 100) == (
            daemon.engine.config.limits.order_qty_max,
            daemon.reloads.in_force.values["risk.order_contracts_max"],
        )
        daemon.reloads._terms = terms
        assert "applied" == (await daemon.reloads.reload("test")).outcome
        assert 60 * QTY_ONE == daemon.engine.config.limits.order_qty_max


async def test_a_part_that_fails_to_follow_is_told_and_tried_again(tmp_path: Path) -> None:
    """The core decides by the new terms; that a part does not is no success, until the next reload."""
    failing = [True]

    def follow(_: Config) -> None:
        if failing:
            raise RuntimeError("no such part")

    async with running(tmp_path) as daemon:
        daemon.reloads._terms = msgspec.structs.replace(daemon.reloads._terms, on_taken=follow)
        daemon.write(order_contracts_max=60)
        with pytest.raises(ReloadRefused, match="RuntimeError: no such part") as refused:
            await daemon.reloads.reload("test")
        assert not refused.value.is_certain, "what was in force is not any more"
        assert 60 == daemon.reloads.in_force.values["risk.order_contracts_max"]
        assert not daemon.metrics.is_config_loaded
        failing.clear()
        assert "unchanged" == (await daemon.reloads.reload("test")).outcome
        assert daemon.metrics.is_config_loaded


async def test_a_strategy_is_disabled_and_enabled_again(tmp_path: Path) -> None:
    """At once, and with the second word."""
    async with running(tmp_path) as daemon:
        daemon.write(enabled="false")
        assert "applied" == (await daemon.reloads.reload("test")).outcome
        assert "config" == daemon.engine.state.switches.off["fair_value"].by
        daemon.write()
        asked = await daemon.reloads.reload("test")
        assert asked.token is not None
        await daemon.reloads.reload("test", asked.token)
        assert {} == daemon.engine.state.switches.off


async def test_evidence_binds_all_but_what_tightens(tmp_path: Path) -> None:
    """Real money is traded on paper's evidence of these strategies: no word loosens it; a log may change."""
    async with running(tmp_path, is_bound=True) as daemon:
        daemon.write(edge_min=0.03)
        with pytest.raises(ReloadRefused, match="limits only tighten"):
            await daemon.reloads.reload("test")
        daemon.write("[breaker]\ncool_down_s = 1\n")
        with pytest.raises(ReloadRefused, match="limits only tighten"):
            await daemon.reloads.reload("test")
        daemon.write('[log]\nlevel = "debug"\n', order_contracts_max=50)
        assert "applied" == (await daemon.reloads.reload("test")).outcome


async def test_a_strategy_that_can_not_be_built_changes_nothing(tmp_path: Path) -> None:
    """Its parameters are looked at before anything is told."""
    async with running(tmp_path) as daemon:
        daemon.write(order_contracts_max=60, edge_min=7)
        with pytest.raises(ReloadRefused, match=r"strategies\.fair_value\.edge_min"):
            await daemon.reloads.reload("test")
        assert 100 * QTY_ONE == daemon.engine.config.limits.order_qty_max


async def test_over_the_control_socket(tmp_path: Path) -> None:
    """POST /reload answers what came of it, or 409 with all reasons; GET /config what is in force."""
    async with running(tmp_path) as daemon:
        switch = KillSwitch(Latch(tmp_path), now=lambda: NOW, emit=daemon.inbox.put)
        status = Status(1, "sandbox", "trading", False, None, False, True, [], {})
        runner = await serve_control(tmp_path, switch, lambda: status, more=routes_of(daemon.reloads))
        try:
            daemon.write(order_contracts_max=200)
            asked = await ask_reload(tmp_path, ReloadOrder(), WITHIN_S)
            assert asked.token is not None
            done = await ask_reload(tmp_path, ReloadOrder(asked.token), WITHIN_S)
            in_force = await ask_config(tmp_path, WITHIN_S)
            assert ("applied", done.sha256) == (done.outcome, in_force.sha256)
            assert 200 == in_force.values["risk.order_contracts_max"]
            daemon.write("nonsense\n")
            with pytest.raises(Declined, match=r"(?s)not TOML.*what was in force still is"):
                await ask_reload(tmp_path, ReloadOrder(), WITHIN_S)
        finally:
            await runner.cleanup()


async def test_what_comes_to_its_turn_too_late_is_not_done(tmp_path: Path) -> None:
    """It waits behind a slow reload until its owner was told that it is not reloaded: so it must not be."""
    async with running(tmp_path) as daemon:
        daemon.write(order_contracts_max=200)
        asked = await daemon.reloads.reload("test")
        assert asked.token is not None
        switch = KillSwitch(Latch(tmp_path), now=lambda: NOW, emit=daemon.inbox.put)
        status = Status(1, "sandbox", "trading", False, None, False, True, [], {})
        runner = await serve_control(tmp_path, switch, lambda: status, more=routes_of(daemon.reloads))
        try:
            async with daemon.reloads._lock:
                waiting = asyncio.create_task(ask_reload(tmp_path, ReloadOrder(asked.token), 1.0))
                await asyncio.sleep(0.6)  # it expires at half of its second
            with pytest.raises(Declined, match=r"(?s)too late.*what was in force still is"):
                await waiting
        finally:
            await runner.cleanup()
        assert 100 * QTY_ONE == daemon.engine.config.limits.order_qty_max
        assert "applied" == (await daemon.reloads.reload("test", asked.token)).outcome


@pytest.mark.parametrize("part", ["read", "prepare"])
async def test_a_strategy_that_never_returns_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """It holds up no reload after it, nor the daemon; and where it hangs is told."""

    def hang(*_: object) -> NoReturn:
        while True:
            pass

    monkeypatch.setattr("daemon.shell.reloads.READ_WITHIN_S", 0.2)
    async with running(tmp_path) as daemon:
        terms = daemon.reloads._terms
        daemon.reloads._terms = msgspec.structs.replace(terms, **{part: hang})
        daemon.write(order_contracts_max=60, edge_min=0.03)
        with pytest.raises(ReloadRefused, match=r"took longer than 0.2 s: .*test_reloads.py:\d+"):
            await daemon.reloads.reload("test")
        assert 100 * QTY_ONE == daemon.engine.config.limits.order_qty_max
        monkeypatch.undo()
        daemon.reloads._terms = terms
        assert "applied" == (await daemon.reloads.reload("test")).outcome


# --- under load ----------------------------------------------------------------------------------


def write(daemon: Daemon, number: int) -> str:
    """Write the file anew, each time another one; return what a reload of it is to come to."""
    is_odd = number % 2
    changes = {"open_orders_max": 100 - 10 * is_odd, "edge_min": 0.02 + is_odd / 100}
    tables = f"[orders]\nttl_ms = {900 + 50 * is_odd}\n[breaker]\nrejects_max = {4 + number % 3}\n"
    match number % 10:
        case 3:
            daemon.write("[breaker]\nrejects_max = 0\n", **changes)
            return "refused"
        case 5:
            daemon.write("[sandbox]\nseed = 7\n", **changes)
            return "refused"
        case 7:
            daemon.path.write_text(daemon.path.read_text().partition('"]')[0])  # half a file
            return "refused"
        case _:
            daemon.write(tables, **changes)
            return "applied"


async def reload_by_hand(daemon: Daemon, number: int) -> None:
    """Reload; what loosens is confirmed, now and then after a wrong word. A refusal changes nothing."""
    expected, before = write(daemon, number), daemon.engine.config
    try:
        reloaded = await daemon.reloads.reload("test", "" if number % 4 else "deadbeef")
        if reloaded.token is not None:
            assert daemon.engine.config is before
            reloaded = await daemon.reloads.reload("test", reloaded.token)
    except ReloadRefused:
        assert ("refused", before) == (expected, daemon.engine.config)
    else:
        assert expected == reloaded.outcome
        assert daemon.engine.config != before, "it changed something"


async def test_reloads_under_load_lose_nothing(tmp_path: Path) -> None:
    """No message, no window; and a replay of it decides the same."""
    async with running(tmp_path, is_wide=True) as daemon:
        await reload_under_load(daemon, reload_by_hand, 20)


@pytest.mark.full
async def test_a_thousand_reloads_under_load(tmp_path: Path) -> None:
    """The same, and what is in memory does not grow with their number."""
    async with running(tmp_path, is_wide=True, within_s=1_200) as daemon:
        load = await reload_under_load(daemon, reload_by_hand, 1_000)
    print(load)  # noqa: T201 - the figures of the full run
    assert load.objects_grown < 1_000
    assert load.bytes_grown < 16 * 1024 * 1024
