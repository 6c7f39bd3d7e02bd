"""`kalshid model`: what it says and how it exits, against a real control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from daemon import exits
from daemon.cli import main
from daemon.core.model_slot import DEFAULT, FALLBACK
from daemon.shell.control import Status, serve_control
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.model_status import ModelsStatus, models_status
from daemon.shell.model_swaps import Swapped, SwapRefused
from tests.core.test_drift import OURS, STRUCTURAL, alarm, lived, warn
from tests.core.worlds import NOW

WITHIN_S = 30.0


def status() -> Status:
    """How a daemon stands that nobody asks."""
    return Status(1, "sandbox", "trading", False, None, False, True, [], {})


def asked(
    root: Path,
    *words: str,
    swap: Callable[[str, str], Swapped] | None = None,
    models: ModelsStatus | None = None,
) -> Result:
    """Run `kalshid model swap`, or `status`, in a folder where a daemon with this answer listens, if any."""
    (root / "config.toml").write_text('state_dir = "state"\n')
    (root / "m" / "2").mkdir(parents=True, exist_ok=True)
    state = root / "state"
    state.mkdir(exist_ok=True)

    def invoke() -> Result:
        called = ["swap", str(root / "m" / "2")] if words[:1] != ("status",) else []
        command = ["model", *called, *words, "--config", str(root / "config.toml")]
        return CliRunner().invoke(main, command)

    if swap is None and models is None:
        return invoke()

    async def exchange(folder: str, slot: str, _is_wanted: Callable[[], bool]) -> Swapped:
        assert swap is not None
        return swap(folder, slot)

    async def serving() -> Result:
        switch = KillSwitch(Latch(state), now=lambda: 1, emit=lambda _event: None)
        runner = await serve_control(
            state, switch, status, exchange, models=None if models is None else lambda: models
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                return await asyncio.to_thread(invoke)
        finally:
            await runner.cleanup()

    return asyncio.run(serving())


def test_a_swap_says_old_and_new_and_how_to_keep_it(tmp_path: Path) -> None:
    """The daemon is given the folder's whole path, and the slot."""
    calls = []

    def swap(folder: str, slot: str) -> Swapped:
        calls.append((folder, slot))
        return Swapped(slot, None, "m/2", "a" * 64)

    result = asked(tmp_path, "--slot", "challenger", swap=swap)
    assert exits.OK == result.exit_code, result.output
    assert [(str((tmp_path / "m" / "2").resolve()), "challenger")] == calls
    assert "challenger: none -> m/2 (sha256 aaaaaaaaaaaa)" in result.stdout
    assert "model.challenger" in result.stdout


def test_a_refusal_is_told_in_words(tmp_path: Path) -> None:
    """65: the model is bad input, and the old one goes on."""

    def swap(folder: str, slot: str) -> Swapped:
        raise SwapRefused(f"{folder} in {slot}: model.txt: sha256 is x")

    result = asked(tmp_path, swap=swap)
    assert exits.BAD_INPUT == result.exit_code
    assert "not swapped: " in result.stderr
    assert "in default: model.txt: sha256 is x" in result.stderr


def test_without_a_daemon_nothing_is_swapped(tmp_path: Path) -> None:
    """69."""
    result = asked(tmp_path)
    assert exits.UNAVAILABLE == result.exit_code
    assert "no daemon listens" in result.stderr


def test_status_says_how_each_model_does(tmp_path: Path) -> None:
    """In words, a line for each thing; the same as JSON."""
    subject = lived({DEFAULT: OURS, FALLBACK: STRUCTURAL})
    alarm(subject)
    warn(subject)
    found = models_status(subject.models, NOW)
    result = asked(tmp_path, "status", models=found)
    assert exits.OK == result.exit_code, result.output
    lines = result.stdout.splitlines()
    assert [" PAPER · sandbox ", "default (traded): structural/1, age unknown, never expires"] == lines[:2]
    assert "said/1 was taken out 2026-09-25 19:55 UTC: worse than the mid over 100 events" in result.stdout
    assert "  outcomes: 20, Brier 0.6400, against the mid +0.0000 (+0.0000 to +0.0000)" in lines
    assert "  reliability: 0.800 expected, 0.000 paid, Z +4.5" in lines
    assert "  PSI: unknown before a full window" in lines
    assert "  what follows: it stands in for said/1; `kalshid model swap FOLDER` puts a model in" == lines[-1]
    as_json = asked(tmp_path, "status", "--json", models=found)
    assert found == msgspec.json.decode(as_json.stdout, type=ModelsStatus)


def test_status_of_no_daemon_is_unavailable(tmp_path: Path) -> None:
    """69, and it names the socket."""
    result = asked(tmp_path, "status")
    assert exits.UNAVAILABLE == result.exit_code
    assert "no daemon listens" in result.stderr
