"""Whether real money may be traded: every reason against it, at once, each with what to do about it.

`mode = "live"` is demo's code at the hosts where orders are real; what differs is that it has to be meant.
Two switches (the mode in the file, `--live` on the command line), a sentence that names the key, limits that
a person has written down, a fresh check of this very configuration, a key file of the owner's alone, and days
of paper with the same strategies, model and limits, or a written reason to go without.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import urlsplit

from daemon.config import PRODUCTION_HOSTS, PRODUCTION_URLS, Config
from daemon.config_tables import RiskLimits
from daemon.core.units import DAY, HOUR, Ns, format_money
from daemon.kalshi.auth import load_private_key
from daemon.kalshi.errors import BadKey
from daemon.shell.golive import (
    EvidenceUnreadable,
    GoLiveReport,
    config_sha256,
    limits_sha256,
    read_check,
    read_report,
    strategy_runs,
)

DAYS_MIN = 14
"""Days of demo or shadow that a report must cover."""
CHECK_AGE_MAX: Ns = DAY


class LiveRefused(Exception):
    """Real money is not traded. `reasons` holds all of them."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


def check_start(
    config: Config,
    config_path: Path,
    model_sha256: str,
    *,
    is_asked: bool,
    now: Ns,
    hosts: tuple[str, ...] = PRODUCTION_HOSTS,
) -> None:
    """Let a run start, or say all that speaks against it.

    Args:
        config: what is to be run.
        config_path: its file, which says what was written by a person and what is a default.
        model_sha256: of the model's file.
        is_asked: whether the command line says `--live`.
        now: our clock.
        hosts: where live may trade; others only in tests.

    Raises:
        LiveRefused: mode "live" without all that it needs, or `--live` in another mode.
    """
    if config.mode != "live":
        if is_asked:
            raise LiveRefused([f'--live: the configuration says mode = "{config.mode}", not "live"'])
        return
    reasons = [] if is_asked else ['mode = "live": real money needs a second switch: `kalshid run --live`']
    reasons += config_refusals(config, config_path, hosts)
    reasons += _check_refusals(config, model_sha256, now)
    if not config.live.override_reason.strip():
        reasons += evidence_refusals(config, model_sha256)
    if reasons:
        raise LiveRefused(reasons)


def config_refusals(
    config: Config, config_path: Path, hosts: tuple[str, ...] = PRODUCTION_HOSTS
) -> list[str]:
    """Return what in the configuration and the key file speaks against real money."""
    reasons = []
    for key, should in PRODUCTION_URLS.items():
        if urlsplit(getattr(config.venue, key)).hostname not in hosts:
            reasons.append(f'venue.{key}: not where orders are real; write "{should}"')
    # The id itself is not repeated: what is told here ends in logs.
    if config.live.confirm != confirmation(config.venue.key_id):
        reasons.append('live.confirm: write "real money with key " and your venue.key_id behind it')
    unwritten = [key for key in money_limits() if key not in _written_limits(config_path)]
    reasons += [f"risk.{key}: write down your own limit; it is our default now" for key in unwritten]
    try:
        load_private_key(config.path(config.venue.private_key_file))
    except BadKey as error:
        reasons.append(f"venue.private_key_file: {error}")
    return reasons


def confirmation(key_id: str) -> str:
    """Return the sentence by which a person confirms real money with a key."""
    return f"real money with key {key_id}"


def money_limits() -> tuple[str, ...]:
    """Return the keys of `[risk]` that bound money: those a person has to have written."""
    return tuple(key for key in RiskLimits.__struct_fields__ if key.endswith("_dollars"))


def _written_limits(config_path: Path) -> frozenset[str]:
    try:
        found = tomllib.loads(config_path.read_text(encoding="utf-8")).get("risk", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return frozenset()  # what can't be read was written by nobody
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _check_refusals(config: Config, model_sha256: str, now: Ns) -> list[str]:
    """Return why the last check doesn't vouch for this start."""
    remedy = "run `kalshid check` with this configuration"
    try:
        passed = read_check(config.path(config.state_dir))
    except EvidenceUnreadable as error:
        return [f"no passed check: {error}; {remedy}"]
    reasons = []
    if not 0 <= now - passed.checked_at <= CHECK_AGE_MAX:
        reasons.append(f"the check is not of the last {CHECK_AGE_MAX // HOUR} hours; {remedy}")
    if passed.config_sha256 != config_sha256(config):
        reasons.append(f"the check was of another configuration; {remedy}")
    if passed.model_sha256 != model_sha256:
        reasons.append(f"the check was of another model; {remedy}")
    if passed.kalshid_version != installed_version("kalshid"):
        reasons.append(f"the check was by kalshid {passed.kalshid_version}; {remedy}")
    return reasons


def evidence_refusals(config: Config, model_sha256: str) -> list[str]:
    """Return why the go-live report is no evidence for this run; empty when it is."""
    remedy = "or say in live.override_reason why you go without"
    try:
        report = read_report(config.path(config.state_dir))
    except EvidenceUnreadable as error:
        return [f"no evidence: {error}; run `kalshid report golive` after {DAYS_MIN} days of paper, {remedy}"]
    return [f"{reason}, {remedy}" for reason in _report_refusals(config, report, model_sha256)]


def _mistakes(report: GoLiveReport) -> list[str]:
    """Return what went wrong on paper: what our books, our fee rule or the trades themselves got wrong."""
    reasons = []
    if report.findings_halting:
        reasons.append(
            f"the evidence has {report.findings_halting} findings that halted: our books were wrong; find out"
            " why, and go on with paper until the report's days are without"
        )
    if report.fees_predicted is None:
        reasons.append("the evidence has fills whose fees could not be predicted: they say nothing of costs")
    elif report.fees_paid != report.fees_predicted:
        paid, told = format_money(report.fees_paid), format_money(report.fees_predicted)
        reasons.append(
            f"the evidence has fees of ${paid} where our rule says ${told}: each edge is wrong by that"
        )
    if report.pnl < 0:
        reasons.append(f"the evidence is a loss of ${format_money(-report.pnl)}")
    return reasons


def evidence_warnings(config: Config) -> list[str]:
    """Return what in the go-live report speaks against real money, and refuses nothing."""
    try:
        report = read_report(config.path(config.state_dir))
    except EvidenceUnreadable:
        return []
    worse = report.pnl_worse_queue
    if report.pnl >= 0 and worse is not None and worse < 0:
        return [f"last in the queue, the evidence would be a loss of ${format_money(-worse)}"]
    return []


def _report_refusals(config: Config, report: GoLiveReport, model_sha256: str) -> list[str]:
    reasons = []
    if report.days < DAYS_MIN:
        reasons.append(
            f"the evidence is of {report.days} days; {DAYS_MIN} are needed: go on with {report.mode}"
        )
    if not report.fills:
        reasons.append("the evidence has no fill: it says nothing")
    reasons += _mistakes(report)
    known = {run.name: run.sha256 for run in report.strategies}
    for run in strategy_runs(config.strategies):
        if run.name not in known:
            reasons.append(f"the evidence is not of strategy {run.name}: run it on paper first")
        elif known[run.name] != run.sha256:
            reasons.append(f"the evidence is of {run.name} with other series or parameters: use those")
    if report.model_sha256 != model_sha256:
        reasons.append("the evidence is of another model: use that one, or run this one on paper first")
    if report.limits_sha256 != limits_sha256(config.limits()):
        reasons.append("the evidence is of other limits: use those, or run these on paper first")
    return reasons
