"""`kalshid check` tries everything out, and writes down that it passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from daemon import exits
from daemon.config import Config, load_config
from daemon.core.units import SECOND
from daemon.live_guard import confirmation, money_limits
from daemon.preflight import Finding, check
from daemon.shell.golive import EvidenceUnreadable, config_sha256, read_check, write_check
from tests.e2e.daemon_process import ROOT
from tests.shell.test_golive import PASSED

KEY_ID = "a-key-id"
BUCKET = {"refill_rate": 100, "bucket_capacity": 200}


class Answers:
    """A venue that answers two questions; tests change how."""

    def __init__(self) -> None:
        self.status = 200
        self.scopes = ["read", "write"]
        self.subaccount: int | None = None
        self.clock_off_s = 0.0
        self.methods: list[str] = []

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one."""
        self.methods.append(request.method)
        bodies: dict[str, object] = {
            "limits": {"usage_tier": "basic", "read": BUCKET, "write": BUCKET},
            "api_keys": {
                "api_keys": [
                    {
                        "api_key_id": KEY_ID,
                        "name": "n",
                        "scopes": self.scopes,
                        "subaccount": self.subaccount,
                    }
                ]
            },
        }
        body = bodies[request.path.rpartition("/")[2]] if self.status == 200 else {"error": {"code": "down"}}
        headers = {"Date": formatdate(time.time() + self.clock_off_s, usegmt=True)}
        return web.json_response(body, status=self.status, headers=headers)


@asynccontextmanager
async def venue() -> AsyncIterator[tuple[Answers, str]]:
    """Run one on loopback; its base URL."""
    answers = Answers()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with asyncio.timeout(30):
            yield answers, f"http://{host}:{port}/trade-api/v2"
    finally:
        await runner.cleanup()


def config_in(folder: Path, url: str, mode: str = "demo", more: str = "") -> tuple[Config, Path]:
    """A configuration with a key of its own at this venue."""
    key = folder / "key.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(pem)
    key.chmod(0o600)
    path = folder / "config.toml"
    path.write_text(
        f'mode = "{mode}"\n[model]\npath = "{ROOT}/strategies/models/btc15m-demo/1"\n'
        f'[venue]\nrest_url = "{url}"\nws_url = "{url.replace("http", "ws", 1)}"\nkey_id = "{KEY_ID}"\n'
        f'private_key_file = "key.pem"\n{more}'
    )
    return load_config(path), path


def of(findings: list[Finding], subject: str) -> tuple[str, str]:
    """Return outcome and text of the first finding on a subject."""
    return next((one.outcome, one.text) for one in findings if one.subject == subject)


async def test_what_passed_is_written_down(tmp_path: Path) -> None:
    """Of this configuration and model, now; nothing but questions was sent, the key's id is never shown."""
    async with venue() as (answers, url):
        config, path = config_in(tmp_path, url)
        findings = await check(config, path, time.time_ns)
    assert {"ok"} == {one.outcome for one in findings}, [str(one) for one in findings]
    assert ["config", "strategies", "model", "key", "venue", "clock", "scopes", "written"] == [
        one.subject for one in findings
    ]
    passed = read_check(tmp_path / "var")
    assert ("demo", config_sha256(config)) == (passed.mode, passed.config_sha256)
    assert abs(time.time_ns() - passed.checked_at) < 60 * SECOND
    assert {"GET"} == set(answers.methods)
    assert not any(KEY_ID in str(one) for one in findings)


async def test_the_sandbox_is_not_asked_and_nothing_is_written(tmp_path: Path) -> None:
    """It is started for the run, and real money never asks for a check of it."""
    path = tmp_path / "config.toml"
    path.write_text(f'[model]\npath = "{ROOT}/strategies/models/btc15m-demo/1"\n')
    findings = await check(load_config(path), path, time.time_ns)
    assert ["config", "strategies", "model", "key"] == [one.subject for one in findings]
    with pytest.raises(EvidenceUnreadable):
        read_check(tmp_path / "var")


@pytest.mark.parametrize(
    ("change", "subject", "expected", "code"),
    [
        (lambda answers: setattr(answers, "status", 503), "venue", "HTTP 503", exits.UNAVAILABLE),
        (lambda answers: setattr(answers, "status", 403), "venue", "HTTP 403", exits.CONFIG),
        (lambda answers: setattr(answers, "clock_off_s", 35.0), "clock", "-3", exits.CONFIG),
        (lambda answers: setattr(answers, "clock_off_s", -35.0), "clock", "+3", exits.CONFIG),
        (lambda answers: setattr(answers, "scopes", ["read"]), "scopes", "may not trade", exits.CONFIG),
        (lambda answers: setattr(answers, "subaccount", 3), "scopes", "subaccount 3", exits.CONFIG),
    ],
)
async def test_what_failed_is_named_and_revokes_the_check_before(
    tmp_path: Path, change: Callable[[Answers], None], subject: str, expected: str, code: int
) -> None:
    """A check that once passed doesn't vouch for what fails now."""
    write_check(tmp_path / "var", PASSED)
    async with venue() as (answers, url):
        change(answers)
        findings = await check(*config_in(tmp_path, url), time.time_ns)
    (failed,) = [one for one in findings if one.outcome == "FAIL"]
    assert (subject, code) == (failed.subject, failed.code)
    assert expected in failed.text
    with pytest.raises(EvidenceUnreadable):
        read_check(tmp_path / "var")


async def test_a_state_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    """Whether the check would be written down or revoked; its code is that of what can't be recorded."""
    async with venue() as (answers, url):
        config, path = config_in(tmp_path, url)
        (tmp_path / "var").touch()
        for status, expected in ((200, 1), (503, 2)):
            answers.status = status
            failed = [one for one in await check(config, path, time.time_ns) if one.outcome == "FAIL"]
            assert expected == len(failed)
            assert ("written", exits.UNRECORDED) == (failed[-1].subject, failed[-1].code)
            assert str(tmp_path / "var") in failed[-1].text


async def test_shadow_wants_a_key_that_only_reads(tmp_path: Path) -> None:
    """One that may trade is a warning: nothing is sent with it, and still it could."""
    async with venue() as (answers, url):
        config, path = config_in(tmp_path, url, "shadow")
        assert "warn" == of(await check(config, path, time.time_ns), "scopes")[0]
        answers.scopes = ["read"]
        assert ("ok", "read") == of(await check(config, path, time.time_ns), "scopes")
    assert "shadow" == read_check(tmp_path / "var").mode


async def test_live_is_checked_for_what_a_person_has_to_write(tmp_path: Path) -> None:
    """Hosts, confirmation and limits fail; evidence that is missing warns, for it may still come."""
    async with venue() as (_, url):
        findings = await check(*config_in(tmp_path, url, "live"), time.time_ns)
        live = [one.text for one in findings if one.subject == "live"]
        assert 2 + 1 + len(money_limits()) == len(live)
        assert "warn" == of(findings, "evidence")[0]
        limits = "".join(f"{key} = 50\n" for key in money_limits())
        more = f'[live]\nconfirm = "{confirmation(KEY_ID)}"\noverride_reason = "x"\n[risk]\n{limits}'
        findings = await check(*config_in(tmp_path, url, "live", more), time.time_ns)
        assert ["venue.rest_url", "venue.ws_url"] == [
            one.text.partition(":")[0] for one in findings if one.subject == "live"
        ]
        assert "evidence" not in {one.subject for one in findings}


async def test_a_key_or_a_model_that_is_not_usable_is_named(tmp_path: Path) -> None:
    """Without a key nobody is asked."""
    async with venue() as (answers, url):
        config, path = config_in(tmp_path, url)
        (tmp_path / "key.pem").chmod(0o644)
        findings = await check(config, path, time.time_ns)
        assert ("FAIL", True) == (of(findings, "key")[0], "chmod 600" in of(findings, "key")[1])
        assert [] == answers.methods
        path.write_text(path.read_text().replace("btc15m-demo/1", "absent"))
        assert "FAIL" == of(await check(load_config(path), path, time.time_ns), "model")[0]


async def test_a_strategy_that_would_misread_its_model_is_named(tmp_path: Path) -> None:
    """A run would refuse it too."""
    async with venue() as (_, url):
        _, path = config_in(tmp_path, url)
        path.write_text(path.read_text() + '\n[strategies.portfolio]\nenabled = true\nseries = ["KXBTCD"]\n')
        found = of(await check(load_config(path), path, time.time_ns), "model")
        assert ("FAIL", True) == (found[0], "strategies.portfolio: it reads a change" in found[1])
