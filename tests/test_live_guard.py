"""Real money is refused until it is meant: each reason alone, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daemon.config import Config, load_config
from daemon.core.units import HOUR, SECOND, Ns
from daemon.live_guard import LiveRefused, check_start, confirmation, evidence_warnings, money_limits
from daemon.shell.golive import (
    CheckPassed,
    GoLiveReport,
    config_sha256,
    limits_sha256,
    read_check,
    read_report,
    strategy_runs,
    write_check,
    write_report,
)

NOW: Ns = 1_790_000_000 * SECOND
KEY_ID = "a-key-id"
MODEL = "ab" * 32
TEXT = f"""
mode = "live"
[venue]
rest_url = "https://external-api.kalshi.com/trade-api/v2"
ws_url = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
key_id = "{KEY_ID}"
private_key_file = "key.pem"
[live]
confirm = "{confirmation(KEY_ID)}"
[strategies.fair_value]
enabled = true
series = ["KXBTC15M"]
[risk]
"""


def written_limits() -> str:
    """Every money limit, as a person writes it."""
    return "".join(f"{key} = 50\n" for key in money_limits())


class Ready:
    """A folder from which real money may be traded; tests take one thing away."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.toml"
        self.state = folder / "var"
        self.key = folder / "key.pem"
        private = Ed25519PrivateKey.generate()
        self.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.key.chmod(0o600)
        self.write(TEXT + written_limits())

    def write(self, text: str) -> None:
        """Write the configuration, and a check and evidence of exactly that."""
        self.path.write_text(text)
        config = self.config
        write_check(
            self.state,
            CheckPassed(
                checked_at=NOW - HOUR, kalshid_version=_version(), mode="live",
                config_sha256=config_sha256(config), model_sha256=MODEL,
            ),
        )  # fmt: skip
        write_report(
            self.state,
            GoLiveReport(
                written_at=NOW - HOUR, kalshid_version=_version(), mode="shadow",
                strategies=strategy_runs(config.strategies), model_sha256=MODEL,
                limits_sha256=limits_sha256(config.limits()), from_day="2026-11-01", to_day="2026-11-14",
                days=14, fills=100, findings={}, findings_halting=0, fees_paid=1, fees_predicted=1,
                markouts={}, pnl=1, pnl_worse_queue=None,
            ),
        )  # fmt: skip

    @property
    def config(self) -> Config:
        """The configuration as it is read."""
        return load_config(self.path)

    def start(self, *, is_asked: bool = True, hosts: tuple[str, ...] | None = None) -> list[str]:
        """Return what speaks against a start; empty when nothing does."""
        more = {} if hosts is None else {"hosts": hosts}
        try:
            check_start(self.config, self.path, MODEL, is_asked=is_asked, now=NOW, **more)
        except LiveRefused as error:
            return error.reasons
        return []

    def change_check(self, **changes: object) -> None:
        """Make the check another one."""
        write_check(self.state, msgspec.structs.replace(read_check(self.state), **changes))

    def change_report(self, **changes: object) -> None:
        """Make the evidence another one."""
        write_report(self.state, msgspec.structs.replace(read_report(self.state), **changes))

    def replace(self, old: str, new: str) -> None:
        """Change the configuration and nothing else."""
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))


def _version() -> str:
    from importlib.metadata import version

    return version("kalshid")


@pytest.fixture
def ready(tmp_path: Path) -> Ready:
    """All that is needed."""
    return Ready(tmp_path)


def test_what_has_everything_starts(ready: Ready) -> None:
    """Nothing speaks against it."""
    assert [] == ready.start()


@pytest.mark.parametrize(
    ("take_away", "expected"),
    [
        (lambda ready: ready.key.chmod(0o644), "venue.private_key_file: "),
        (lambda ready: ready.key.unlink(), "no such key file"),
        (lambda ready: (ready.state / "check.json").unlink(), "no passed check"),
        (lambda ready: ready.change_check(checked_at=NOW - 25 * HOUR), "not of the last 24 hours"),
        (lambda ready: ready.change_check(checked_at=NOW + HOUR), "not of the last 24 hours"),
        (lambda ready: ready.change_check(config_sha256="0"), "the check was of another configuration"),
        (lambda ready: ready.change_check(model_sha256="0"), "the check was of another model"),
        (lambda ready: ready.change_check(kalshid_version="0.0.1"), "the check was by kalshid 0.0.1"),
        (lambda ready: (ready.state / "golive.json").unlink(), "no evidence"),
        (lambda ready: (ready.state / "golive.json").write_text("{}"), "no evidence"),
        (lambda ready: ready.change_report(days=13), "the evidence is of 13 days; 14 are needed"),
        (lambda ready: ready.change_report(fills=0), "the evidence has no fill"),
        (lambda ready: ready.change_report(findings_halting=2), "2 findings that halted"),
        (lambda ready: ready.change_report(fees_predicted=None), "fees could not be predicted"),
        (
            lambda ready: ready.change_report(fees_paid=1_500_000),
            "fees of $1.500000 where our rule says $0.000001",
        ),
        (lambda ready: ready.change_report(pnl=-2_500_000), "the evidence is a loss of $2.500000"),
        (lambda ready: ready.change_report(strategies=()), "not of strategy fair_value"),
        (lambda ready: ready.change_report(model_sha256="0"), "evidence is of another model"),
        (lambda ready: ready.change_report(limits_sha256="0"), "evidence is of other limits"),
    ],
)
def test_each_reason_stands_alone_with_its_remedy(
    ready: Ready, take_away: Callable[[Ready], object], expected: str
) -> None:
    """One thing is missing: one reason, which names it and never the key."""
    take_away(ready)
    (reason,) = ready.start()
    assert expected in reason
    assert KEY_ID not in reason


def test_two_switches_are_needed(ready: Ready) -> None:
    """The file alone is not enough; and the command line alone trades no paper by mistake."""
    (reason,) = ready.start(is_asked=False)
    assert "kalshid run --live" in reason
    ready.replace('mode = "live"', 'mode = "shadow"')
    assert [] == ready.start(is_asked=False)
    (reason,) = ready.start()
    assert 'says mode = "shadow", not "live"' in reason


@pytest.mark.parametrize("key", money_limits())
def test_every_limit_of_money_is_a_persons(ready: Ready, key: str) -> None:
    """A default is nobody's decision."""
    ready.write(TEXT + "".join(f"{other} = 50\n" for other in money_limits() if other != key))
    (reason,) = ready.start()
    assert f"risk.{key}: write down your own limit" in reason


@pytest.mark.parametrize("words", ["", "yes", "real money with key another-key", "real money with key "])
def test_the_confirmation_names_the_key(ready: Ready, words: str) -> None:
    """One that was written for another key confirms nothing."""
    ready.write((TEXT + written_limits()).replace(confirmation(KEY_ID), words))
    (reason,) = ready.start()
    assert "live.confirm" in reason


def test_a_strategy_with_other_parameters_has_no_evidence(ready: Ready) -> None:
    """Nor one on other series."""
    ready.change_report(
        strategies=(msgspec.structs.replace(read_report(ready.state).strategies[0], sha256="0"),)
    )
    (reason,) = ready.start()
    assert "fair_value with other series or parameters" in reason


def test_an_override_stands_in_for_evidence_and_nothing_else(ready: Ready) -> None:
    """Its reason must not be empty."""
    reason = 'override_reason = "a test of one contract"'
    ready.write((TEXT + written_limits()).replace("[live]", f"[live]\n{reason}"))
    (ready.state / "golive.json").unlink()
    assert [] == ready.start()
    (ready.state / "check.json").unlink()
    assert 1 == len(ready.start())
    ready.write((TEXT + written_limits()).replace("[live]", '[live]\noverride_reason = "  "'))
    (ready.state / "golive.json").unlink()
    assert 1 == len(ready.start())


def test_real_money_is_not_traded_elsewhere(ready: Ready) -> None:
    """Not on this machine either, where a test alone may say so."""
    local = (TEXT + written_limits()).replace("https://external-api.kalshi.com", "http://127.0.0.1:1")
    ready.write(local.replace("wss://external-api-ws.kalshi.com", "ws://127.0.0.1:1"))
    assert ["venue.rest_url", "venue.ws_url"] == [reason.partition(":")[0] for reason in ready.start()]
    assert [] == ready.start(hosts=("127.0.0.1",))


def test_all_reasons_are_told_at_once(ready: Ready) -> None:
    """Nobody should have to start eight times."""
    ready.write(TEXT.replace(confirmation(KEY_ID), ""))
    ready.key.unlink()
    for name in ("check.json", "golive.json"):
        (ready.state / name).unlink()
    reasons = ready.start(is_asked=False)
    assert 1 + 1 + len(money_limits()) + 1 + 1 + 1 == len(reasons)
    assert all(reasons)


@pytest.mark.parametrize(("worse", "count"), [(None, 0), (0, 0), (-1_000_000, 1)])
def test_a_loss_behind_everybody_else_warns(ready: Ready, worse: int | None, count: int) -> None:
    """The worse queue rule is a bound, not what was earned: it is said, and refuses nothing."""
    ready.change_report(pnl_worse_queue=worse)
    assert [] == ready.start()
    assert count == len(evidence_warnings(ready.config))
