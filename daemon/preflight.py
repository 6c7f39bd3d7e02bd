"""`kalshid check`: everything that a start needs, tried out without trading, each line by itself.

In the modes that meet Kalshi one signed request is made: it proves the key, the way there, and the clock.
What passed is written into the state folder with the fingerprint of the configuration; live asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from daemon import exits
from daemon.assembly import check_models
from daemon.config import Config
from daemon.core.models import DEFAULT
from daemon.core.units import MILLISECOND, SECOND, Ns
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.bodies import ApiKeysReply
from daemon.kalshi.errors import BadKey, Refused, VenueError
from daemon.kalshi.rest import ReadingRest
from daemon.live_guard import config_refusals, evidence_refusals, evidence_warnings
from daemon.model_slots import load_models, traded_sha256
from daemon.scoring.registry import ModelRefused
from daemon.shell.golive import CheckPassed, config_sha256, forget_check, write_check

Outcome: TypeAlias = Literal["ok", "warn", "FAIL"]


class Finding(msgspec.Struct, frozen=True):
    """One line of a check. `code` is the exit code that a FAIL asks for."""

    subject: str
    outcome: Outcome
    text: str
    code: int = exits.CONFIG

    def __str__(self) -> str:
        return f"{self.subject:<11} {self.outcome:<5} {self.text}"


async def check(config: Config, config_path: Path, now: Callable[[], Ns]) -> list[Finding]:
    """Try everything out, and write down that it passed; a check that fails revokes the one before.

    Never raises for what is wrong with the configuration or the venue: that is what the findings say.
    """
    findings, model_sha256 = await look(config, config_path, now)
    has_failed = any(one.outcome == "FAIL" for one in findings)
    return findings + _written(config, None if has_failed else model_sha256, now())


async def look(config: Config, config_path: Path, now: Callable[[], Ns]) -> tuple[list[Finding], str | None]:
    """Try everything out and write nothing down; return what was found, and the models' fingerprint.

    The fingerprint is None when a model is refused.
    """
    enabled = [table.name for table in config.strategies if table.enabled]
    findings = [
        Finding("config", "ok", f"{config_path}: mode {config.mode}"),
        Finding("strategies", "ok", ", ".join(enabled) or "none enabled"),
    ]
    models, model_sha256 = _models(config, str(config_path))
    findings += models
    if config.mode == "sandbox":
        findings.append(Finding("key", "ok", "the sandbox makes its own"))
    else:
        findings += await _venue(config, now)
    if config.mode == "live":
        refusals = config_refusals(config, config_path)
        findings += [Finding("live", "FAIL", reason) for reason in refusals]
        if model_sha256 is not None and not config.live.override_reason.strip():
            against = evidence_refusals(config, model_sha256) + evidence_warnings(config)
            findings += [Finding("evidence", "warn", reason) for reason in against]
    return findings, model_sha256


def _written(config: Config, model_sha256: str | None, now: Ns) -> list[Finding]:
    """Write down that a check passed, or without a model's fingerprint that none did any more."""
    folder = config.path(config.state_dir)
    try:
        if model_sha256 is None:
            forget_check(folder)
            return []
        if config.mode == "sandbox":
            return []
        path = write_check(
            folder,
            CheckPassed(
                checked_at=now,
                kalshid_version=installed_version("kalshid"),
                mode=config.mode,
                config_sha256=config_sha256(config),
                model_sha256=model_sha256,
            ),
        )
    except OSError as error:
        return [Finding("written", "FAIL", f"the state folder {folder}: {error}", exits.UNRECORDED)]
    return [Finding("written", "ok", str(path))]


def _models(config: Config, config_name: str) -> tuple[list[Finding], str | None]:
    """Return a line per model, and the fingerprint of those that are traded; None when one is refused."""
    try:
        slotted = load_models(config)
    except ModelRefused as error:
        return [Finding("model", "FAIL", str(error))], None
    misread = check_models(config_name, config.strategies, slotted.models, config.strategy_folder)
    if misread:
        return [Finding("model", "FAIL", problem) for problem in misread], None
    findings = []
    for slot, model in slotted.models.items():
        scorer = model.scorer
        text = f"{scorer.name}/{scorer.version}: {len(scorer.schema.names)} features, frozen rows agree"
        findings.append(Finding("model", "ok", text if slot == DEFAULT else f"{slot}: {text}"))
    findings += [Finding("model", "warn", f"absent: {reason}") for reason in slotted.absent]
    return findings, traded_sha256(config, slotted.refs)


async def _venue(config: Config, now: Callable[[], Ns]) -> list[Finding]:
    """Return what the key file, one signed request, and its answer say."""
    venue = config.venue
    try:
        key = load_private_key(config.path(venue.private_key_file))
    except BadKey as error:
        return [Finding("key", "FAIL", str(error))]
    findings = [Finding("key", "ok", venue.private_key_file)]
    timeout_s = venue.request_timeout_s
    # Whatever the mode: a check changes nothing, so its client can't.
    rest = ReadingRest(venue.rest_url, Signer(venue.key_id, key), now, read_timeout_s=timeout_s)
    async with rest:
        try:
            limits = await rest.account_limits()
        except VenueError as error:
            code = exits.CONFIG if isinstance(error, Refused) else exits.UNAVAILABLE
            return [*findings, Finding("venue", "FAIL", str(error), code)]
        per_s = f"{limits.read.refill_rate} read and {limits.write.refill_rate} write tokens a second"
        findings.append(Finding("venue", "ok", f"{venue.rest_url} takes our signature: {per_s}"))
        findings.append(_clock(rest.date, now(), config.feed.clock_offset_max_ms * MILLISECOND))
        try:
            findings.append(_scopes(await rest.api_keys(), venue.key_id, config.mode))
        except VenueError as error:
            findings.append(Finding("scopes", "warn", f"can't be read: {error}"))
    return findings


def _clock(date: str | None, now: Ns, allowed: Ns) -> Finding:
    """Hold our clock against the venue's, which is told in whole seconds and was true up to a second ago."""
    told = None if date is None else _instant(date)
    if told is None:
        return Finding("clock", "warn", "the venue did not say its time")
    if told - allowed <= now <= told + SECOND + allowed:
        return Finding("clock", "ok", "agrees with the venue's to the second")
    off_s = (now - told) / SECOND
    return Finding("clock", "FAIL", f"ours is {off_s:+.0f} s off the venue's: set it by NTP")


def _instant(date: str) -> Ns | None:
    try:
        told: datetime = parsedate_to_datetime(date)
    except ValueError:
        return None
    return int(told.timestamp()) * SECOND


def _scopes(reply: ApiKeysReply, key_id: str, mode: str) -> Finding:
    """Return whether the key may do what the mode needs, and no more than that."""
    ours = next((key for key in reply.api_keys if key.api_key_id == key_id), None)
    if ours is None:
        return Finding("scopes", "warn", "the venue doesn't list our key")
    if ours.subaccount:
        words = f"the key is bound to subaccount {ours.subaccount}: the primary one is traded"
        return Finding("scopes", "FAIL", words)
    may_trade = ours.may("write::trade")
    if mode == "shadow" and may_trade:
        return Finding("scopes", "warn", "the key may trade; shadow needs a read-only one")
    if mode != "shadow" and not may_trade:
        return Finding("scopes", "FAIL", "the key may not trade: make one with the scope write")
    return Finding("scopes", "ok", ", ".join(ours.scopes))
