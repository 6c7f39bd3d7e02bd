"""`kalshid config` and `kalshid reload`: what they say and how they exit, against a real control socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daemon import exits
from daemon.cli import main
from daemon.config_profiles import PROFILES
from daemon.shell.control import Status, serve_control
from daemon.shell.kill_switch import KillSwitch
from daemon.shell.latch import Latch
from daemon.shell.reloads import routes_of
from tests.core.worlds import NOW
from tests.shell.test_reloads import running

WITHIN_S = 30.0
BAD = "[risk]\nopen_ordrs_max = 5\nspread_max_cents = 0\n[feed]\nsilent_max_s = 'x'\n"


def said(*words: str, config: Path) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(config)])


def asked(root: Path, *commands: tuple[str, ...], write: dict[str, Any]) -> list[Result]:
    """Run commands one after the other, in the folder of a daemon whose file has been changed."""

    async def serving() -> list[Result]:
        async with running(root) as daemon:
            switch = KillSwitch(Latch(root), now=lambda: NOW, emit=daemon.inbox.put)
            status = Status(1, "sandbox", "trading", False, None, False, True, [], {})
            (root / "var").mkdir()
            runner = await serve_control(root / "var", switch, lambda: status, more=routes_of(daemon.reloads))
            try:
                daemon.write(**write)
                return [
                    await asyncio.to_thread(lambda words=words: said(*words, config=daemon.path))  # type: ignore[misc]
                    for words in commands
                ]
            finally:
                await runner.cleanup()

    return asyncio.run(serving())


def test_check_says_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    """Each with file, line and what is meant or allowed; exit code 78."""
    path = tmp_path / "config.toml"
    path.write_text(BAD)
    result = said("config", "check", config=path)
    assert exits.CONFIG == result.exit_code
    lines = result.output.splitlines()
    assert [f"{path}:2", f"{path}:3", f"{path}:5"] == [line.split(": ")[0] for line in lines]
    assert "did you mean open_orders_max?" in lines[0]


def test_check_says_what_it_is_when_nothing_is(tmp_path: Path) -> None:
    """Mode and fingerprint, for people and as JSON."""
    path = tmp_path / "config.toml"
    path.write_text("")
    result, as_json = said("config", "check", config=path), said("config", "check", "--json", config=path)
    assert (exits.OK, exits.OK) == (result.exit_code, as_json.exit_code)
    found = msgspec.json.decode(as_json.stdout)
    assert "sandbox" == found["mode"]
    assert f'usable; mode = "sandbox", sha256 {found["sha256"][:12]}' in result.output


def test_check_of_live_says_what_is_still_to_be_written(tmp_path: Path) -> None:
    """The sentence, the key file, the limits of one's own; then what else there is to do."""
    path = tmp_path / "config.toml"
    path.write_text(
        PROFILES["live"].replace('key_id = ""', 'key_id = "k"').replace('_file = ""', '_file = "k.pem"')
    )
    result, as_json = said("config", "check", config=path), said("config", "check", "--json", config=path)
    assert exits.OK == result.exit_code
    wanting = [line for line in result.output.splitlines() if line.startswith("before real money: ")]
    assert ["live.confirm", "venue.private_key_file"] == [line.split(": ")[1] for line in wanting]
    assert 2 == len(msgspec.json.decode(as_json.stdout)["before_real_money"])
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k.pem").write_bytes(key)
    (tmp_path / "k.pem").chmod(0o600)
    path.write_text(path.read_text().replace('confirm = ""', 'confirm = "real money with key k"'))
    output = said("config", "check", config=path).output
    assert "before real money: `kalshid check`, and then `kalshid run --live`" in output


def test_show_says_what_is_written_and_with_effective_all(tmp_path: Path) -> None:
    """With `--origin` the line of each; a file that is wrong is refused."""
    path = tmp_path / "config.toml"
    path.write_text("[risk]\nopen_orders_max = 5\n")
    written = said("config", "show", "--origin", config=path)
    assert f" PAPER · sandbox \nrisk.open_orders_max = 5    # {path}:2\n" == written.output
    everything = said("config", "show", "--effective", "--json", config=path)
    origins = {one["key"]: one["origin"] for one in msgspec.json.decode(everything.output)}
    assert ("default", f"{path}:2") == (origins["risk.spread_max_cents"], origins["risk.open_orders_max"])
    path.write_text(BAD)
    assert exits.CONFIG == said("config", "show", config=path).exit_code


@pytest.mark.parametrize("profile", ["sandbox", "demo", "shadow", "live"])
def test_new_prints_a_file_of_the_mode(profile: str) -> None:
    """To be written where the person likes."""
    result = CliRunner().invoke(main, ["config", "new", "--profile", profile])
    assert exits.OK == result.exit_code
    assert f'mode = "{profile}"' in result.output


def test_an_unknown_profile_is_refused() -> None:
    """With those that there are."""
    result = CliRunner().invoke(main, ["config", "new", "--profile", "paper"])
    assert exits.USAGE == result.exit_code
    assert "shadow" in result.output


def test_diff_says_what_a_reload_would_do(tmp_path: Path) -> None:
    """Against what the daemon runs under; nothing is changed by it."""
    words, as_json = asked(
        tmp_path, ("config", "diff"), ("config", "diff", "--json"), write={"order_contracts_max": 60}
    )
    assert " PAPER · sandbox \nrisk.order_contracts_max: 100 -> 60 (tightens)\n" == words.output
    found = msgspec.json.decode(as_json.stdout)
    assert found["running_sha256"] != found["file_sha256"]
    assert ["tightens"] == [one["effect"] for one in found["changes"]]


def test_reload_says_what_it_changed(tmp_path: Path) -> None:
    """And a second one that nothing differs."""
    first, second, same = asked(
        tmp_path, ("reload",), ("reload", "--json"), ("config", "diff"), write={"order_contracts_max": 60}
    )
    assert (exits.OK, exits.OK) == (first.exit_code, second.exit_code)
    assert "order_contracts_max: 100 -> 60 (tightens)\napplied: sha256 " in first.output
    assert first.output.startswith(" PAPER · sandbox \n")
    assert "unchanged" == msgspec.json.decode(second.stdout)["outcome"]
    assert "no difference" in same.output


def test_reload_asks_before_it_loosens(tmp_path: Path) -> None:
    """Not done, exit code 78, with the very command that does it."""
    first, as_json = asked(
        tmp_path, ("reload",), ("reload", "--json"), write={"order_contracts_max": 200}
    )  # fmt: skip
    assert exits.CONFIG == first.exit_code
    assert "100 -> 200 (LOOSENS)" in first.output
    told = msgspec.json.decode(as_json.stdout)
    assert (exits.CONFIG, exits.CONFIG) == (as_json.exit_code, told["exit_code"])
    assert f"--loosen {told['token']}" in told["error"]
    confirm = f"to confirm: kalshid reload --config {tmp_path / 'config.toml'} --loosen "
    assert confirm in first.output
    assert " PAPER · sandbox " == first.stdout.splitlines()[0]


def test_a_wrong_word_is_said_to_be_wrong(tmp_path: Path) -> None:
    """Not as if none had been given: it may be of the file from before the last edit."""
    first, second = asked(
        tmp_path, ("reload",), ("reload", "--loosen", "deadbeef"), write={"order_contracts_max": 200}
    )
    assert "is not the word" not in first.output
    assert exits.CONFIG == second.exit_code
    assert "deadbeef is not the word of this change" in second.output
    assert "to confirm: kalshid reload " in second.output


def test_a_refused_reload_says_why(tmp_path: Path) -> None:
    """The daemon's own words, with the line."""
    (result,) = asked(tmp_path, ("reload",), write={"edge_min": '"much"'})
    assert exits.CONFIG == result.exit_code
    assert "edge_min" in result.output
    assert "what was in force still is" in result.output


def test_where_no_daemon_runs(tmp_path: Path) -> None:
    """There is nothing to compare with, and nobody to reload."""
    path = tmp_path / "config.toml"
    path.write_text("")
    for words in (("reload",), ("config", "diff")):
        result = said(*words, config=path)
        assert exits.UNAVAILABLE == result.exit_code
        assert "no daemon listens" in result.output
