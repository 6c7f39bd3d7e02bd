"""The owner's commands where no daemon runs. With one, and with one that hangs: e2e/test_kill_switch.py."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from daemon import exits, owner_commands
from daemon.cli import main
from daemon.shell.control import Status
from daemon.shell.control_socket import SOCKET_FILE
from daemon.shell.journal import Journal, JournalHeader
from daemon.shell.latch import Halt, Latch
from daemon.shell.lock import FolderLock
from daemon.telling import Told
from tests.commands_rig import leave_journal, leave_store
from tests.e2e.daemon_process import write_config

HALT = Halt("the model looks wrong", "cli", "2026-11-21T11:45:22Z")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of its own, in which nothing ever ran."""
    return write_config(tmp_path)


def kalshid(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [words[0], "--config", str(config), *words[1:]])


def test_a_halt_without_a_daemon_is_on_disk(config: Path, tmp_path: Path) -> None:
    """No exchange of ours runs: there is nothing to cancel, and that is said."""
    result = kalshid(config, "halt", "the model  looks wrong")
    assert exits.OK == result.exit_code, result.output
    halt = Latch(tmp_path / "var").read()
    assert halt is not None
    assert ("the model looks wrong", "cli") == (halt.reason, halt.by)
    assert "nothing trades" in result.output


def test_a_halt_that_the_disk_refuses_has_its_own_code(config: Path, tmp_path: Path) -> None:
    """The state folder is a file."""
    (tmp_path / "var").touch()
    result = kalshid(config, "halt")
    assert exits.UNRECORDED == result.exit_code
    assert "NOT on disk" in result.output


def test_a_resume_without_a_daemon_lifts_the_latch(config: Path, tmp_path: Path) -> None:
    """And says what it lifted; again, there is nothing to lift."""
    Latch(tmp_path / "var").write(HALT)
    result = kalshid(config, "resume", "--reason", "it is mended")
    assert exits.OK == result.exit_code, result.output
    assert HALT.reason in result.output
    assert not Latch(tmp_path / "var").is_set
    assert exits.OK == kalshid(config, "resume", "--reason", "it is mended").exit_code


@pytest.mark.parametrize("words", [(), ("--reason", ""), ("--reason", " \n"), ("--reason", "x" * 501)])
def test_a_resume_needs_a_reason(config: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """One that is not empty, and can be kept whole."""
    Latch(tmp_path / "var").write(HALT)
    assert exits.USAGE == kalshid(config, "resume", *words).exit_code
    assert HALT == Latch(tmp_path / "var").read()


def test_a_latch_is_not_lifted_under_a_daemon_that_does_not_answer(config: Path, tmp_path: Path) -> None:
    """One that starts or hangs still has the halt in memory."""
    Latch(tmp_path / "var").write(HALT)
    lock = FolderLock.take(tmp_path / "var/journal")
    try:
        result = kalshid(config, "resume", "--reason", "it is mended")
    finally:
        lock.release()
    assert exits.UNAVAILABLE == result.exit_code
    assert HALT == Latch(tmp_path / "var").read()


def test_nothing_is_flattened_without_a_daemon(config: Path) -> None:
    """It says what can be done instead."""
    result = kalshid(config, "flatten")
    assert exits.UNAVAILABLE == result.exit_code
    assert "kalshid halt" in result.output


def test_without_a_daemon_everything_is_cancelled_and_nothing_halted(config: Path, tmp_path: Path) -> None:
    """No exchange of ours runs either: that is said, and the next start trades."""
    result = kalshid(config, "cancel-all")
    assert exits.OK == result.exit_code, result.output
    assert "nothing trades" in result.output
    assert not Latch(tmp_path / "var").is_set


def test_what_hangs_is_halted_before_all_is_cancelled(config: Path, tmp_path: Path) -> None:
    """It may wake up, and place again: here its answer is not to be read."""
    folder = tmp_path / "var"
    folder.mkdir()

    async def mumble(_request: web.Request) -> web.Response:
        return web.Response(text="mumble")

    async def ask() -> Result:
        app = web.Application()
        app.router.add_route("*", "/{call}", mumble)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            async with asyncio.timeout(60):
                await web.UnixSite(runner, str(folder / SOCKET_FILE)).start()
                return await asyncio.to_thread(kalshid, config, "cancel-all")
        finally:
            await runner.cleanup()

    assert exits.OK == asyncio.run(ask()).exit_code
    assert Latch(folder).is_set


async def test_a_daemon_that_runs_is_halted_by_cancelling_all(config: Path) -> None:
    """For it would place it all anew; that is in its words."""
    result = await said(config, Stands(is_reconciled=True), "cancel-all")
    assert exits.OK == result.exit_code, result.output
    assert "halted" in result.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("halt",), exits.OK),
        (("cancel-all",), exits.OK),
        (("resume", "--reason", "it is mended"), exits.OK),
        (("flatten",), exits.UNAVAILABLE),
    ],
)
def test_what_an_owner_is_told_can_be_had_as_json(config: Path, words: tuple[str, ...], code: int) -> None:
    """With the exit code, and the mode."""
    result = kalshid(config, *words, "--json")
    told = msgspec.json.decode(result.stdout, type=Told)
    assert (code, code, "sandbox") == (result.exit_code, told.exit_code, told.mode)
    assert told.said or told.problems


@pytest.mark.parametrize("words", [("halt",), ("resume", "--reason", "x"), ("flatten",), ("cancel-all",)])
def test_an_owner_reads_first_whether_the_money_is_real(config: Path, words: tuple[str, ...]) -> None:
    """PAPER or LIVE."""
    assert "PAPER" == kalshid(config, *words).stdout.split()[0]


@pytest.mark.parametrize(
    "words", [("halt",), ("resume", "--reason", "x"), ("flatten",), ("cancel-all",), ("halt", "--json")]
)
async def test_what_is_told_of_the_money_is_the_daemons_own(config: Path, words: tuple[str, ...]) -> None:
    """The file says sandbox by now; the daemon that was asked trades real money all the same."""
    stands = Stands(is_reconciled=True, mode="live", is_halted=words[0] != "resume")
    result = await said(config, stands, *words)
    assert exits.OK == result.exit_code, result.output
    if "--json" in words:
        assert "live" == msgspec.json.decode(result.stdout, type=Told).mode
    else:
        assert "LIVE" == result.stdout.split()[0]


@pytest.mark.parametrize("cents", ["-1", "100", "x"])
def test_a_slippage_that_cannot_be_is_refused(config: Path, cents: str) -> None:
    """Prices end at 99 cents."""
    assert exits.USAGE == kalshid(config, "flatten", "--slippage-cents", cents).exit_code


def test_whatever_a_person_says_halts(config: Path, tmp_path: Path) -> None:
    """In a hurry nobody quotes, or counts characters: the words are joined, and cut."""
    assert exits.OK == kalshid(config, "halt", "the", "market", "went", "mad").exit_code
    latch = Latch(tmp_path / "var")
    halt = latch.read()
    assert halt is not None
    assert "the market went mad" == halt.reason
    latch.lift()
    assert exits.OK == kalshid(config, "halt", "x" * 5_000).exit_code
    assert latch.is_set


@pytest.mark.parametrize("words", [("--reason", "a bad feed"), ("a", "--reason", "bad", "feed")])
def test_a_halt_takes_its_reason_as_resume_does(config: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Whoever types by heart what `resume` wants must not find the daemon trading on."""
    assert exits.OK == kalshid(config, "halt", *words).exit_code
    halt = Latch(tmp_path / "var").read()
    assert halt is not None
    assert ["a", "bad", "feed"] == sorted(halt.reason.split())


@pytest.mark.parametrize("damage", ['failures_max = "many"', "[[[ not TOML"])
def test_a_broken_configuration_still_halts_the_state_folder(
    config: Path, tmp_path: Path, damage: str
) -> None:
    """What rests can't be cancelled then, and that is said; the next start is halted all the same."""
    (tmp_path / "elsewhere").mkdir()
    text = config.read_text().replace('state_dir = "var"', "state_dir = 'elsewhere'")
    config.write_text(f"{text}\n{damage}\n")
    result = kalshid(config, "halt", "now")
    assert exits.UNCONFIRMED == result.exit_code, result.output
    assert "NOT CANCELLED" in result.output
    halt = Latch(tmp_path / "elsewhere").read()
    assert halt is not None
    assert "now" == halt.reason


class Stands:
    """A daemon's end of the socket that is halted, and stands as it is told to."""

    def __init__(self, *, is_reconciled: bool, mode: str = "demo", is_halted: bool = True) -> None:
        self._status = msgspec.json.encode(
            Status(1, mode, "halted", is_halted, "now", True, is_reconciled, [], {}),
        )

    async def answer(self, _request: web.Request) -> web.Response:
        """Say how it stands, whatever was asked."""
        return web.Response(body=self._status)


async def said(config: Path, stands: Stands, *words: str) -> Result:
    """Run a command against a daemon that stands so."""
    folder = config.parent / "var"
    folder.mkdir(exist_ok=True)
    app = web.Application()
    app.router.add_route("*", "/{call}", stands.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        async with asyncio.timeout(60):
            await web.UnixSite(runner, str(folder / SOCKET_FILE)).start()
            return await asyncio.to_thread(kalshid, config, *words)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("command", ["halt", "cancel-all"])
@pytest.mark.parametrize("begun", ["live", "sandbox"])
async def test_where_the_daemon_does_not_trade_nothing_is_confirmed(
    config: Path, monkeypatch: pytest.MonkeyPatch, command: str, begun: str
) -> None:
    """It can't tell that all is out, and the file has another mode by now: that exchange knows of nothing."""
    monkeypatch.setattr(owner_commands, "CANCELS_WITHIN_S", 0.3)
    folder = config.parent / "var" / "journal"
    lock = FolderLock.take(folder)
    header = JournalHeader(kalshid_version="0", instance=begun, epoch=1, engine=msgspec.Raw(b"\xc0"))
    Journal.create(folder, header, lock).close()
    result = await said(config, Stands(is_reconciled=False, mode=begun), command)
    lock.release()
    is_known = begun == "sandbox"
    assert (exits.OK if is_known else exits.UNCONFIRMED) == result.exit_code, result.output
    assert is_known == ("nothing trades" in result.output)
    assert ("PAPER" if is_known else "LIVE") == result.stdout.split()[0]
    assert Latch(config.parent / "var").is_set


@pytest.mark.parametrize("command", ["halt", "cancel-all", "flatten"])
def test_what_a_killed_life_left_is_not_told_as_nothing(config: Path, tmp_path: Path, command: str) -> None:
    """It traded real money and was killed; the file says sandbox by now: that exchange knows of nothing."""
    folder = tmp_path / "var"
    leave_store(folder, mode="live", is_ended=False)
    leave_journal(folder, "live")
    result = kalshid(config, command)
    assert exits.UNCONFIRMED == result.exit_code, result.output
    assert "the last run was LIVE, and it wrote no end: it was killed" in result.stderr
    assert "LIVE" == result.stdout.split()[0]
    assert "nothing trades" not in result.output
    assert Latch(folder).is_set


@pytest.mark.parametrize("command", ["halt", "flatten"])
async def test_nothing_is_said_of_an_account_that_nobody_knows(
    config: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that has not reconciled shows no order and no position: that is no confirmation."""
    monkeypatch.setattr(owner_commands, "CANCELS_WITHIN_S", 0.3)
    monkeypatch.setattr(owner_commands, "FLAT_WITHIN_S", 0.3)
    known = await said(config, Stands(is_reconciled=True), command)
    assert exits.OK == known.exit_code, known.output
    unknown = await said(config, Stands(is_reconciled=False), command)
    assert "not reconciled" in unknown.output
    if command == "flatten":
        assert exits.UNCONFIRMED == unknown.exit_code
    else:
        assert "halting without it" in unknown.output


def test_a_user_without_a_name_resumes_too(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container a user often is a number."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    Latch(tmp_path / "var").write(HALT)
    result = kalshid(config, "resume", "--reason", "it is mended")
    assert exits.OK == result.exit_code, result.output
    assert HALT.reason in result.output


def test_a_broken_configuration_is_said(tmp_path: Path) -> None:
    """Where nothing ever ran, nothing is to be halted. A strategy's table halts nothing, and may be wrong."""
    config = write_config(tmp_path, failures_max="0")
    assert exits.CONFIG == kalshid(config, "halt").exit_code
    config = write_config(tmp_path, edge_min="-9.0")
    assert exits.OK == kalshid(config, "halt").exit_code
