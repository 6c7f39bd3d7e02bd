"""What stands between paper and real money, as files in the state folder: a passed check, and evidence.

`kalshid check` writes `check.json`: when, by which version, of which configuration and model. `kalshid report
golive` writes `golive.json`: what days of demo or shadow came to, with which strategies, model and limits.
Both say what they are about by fingerprints, so that neither vouches for anything else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from daemon.config import Config
from daemon.config_tables import StrategyTable
from daemon.core.risk import Limits
from daemon.core.units import Money, Ns

CHECK_NAME: Final = "check.json"
REPORT_NAME: Final = "golive.json"
_T = TypeVar("_T", bound="CheckPassed | GoLiveReport")


class EvidenceUnreadable(Exception):
    """A file is missing, or isn't what its name says. Names the file."""


class CheckPassed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`check.json`: `kalshid check` passed, of exactly this. Written only when all of it passed."""

    format_version: Literal[1] = 1
    checked_at: Ns
    kalshid_version: str
    mode: str
    config_sha256: str
    model_sha256: str


class StrategyRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy that ran, and the fingerprint of its series and parameters (`strategy_sha256`)."""

    name: str
    sha256: str


class GoLiveReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`golive.json`: what paper came to. Money in 1e-6 $; a figure that isn't known is None, never 0.

    Attributes:
        mode: where it was traded.
        strategies: all that were enabled, by name.
        model_sha256: of the model's file.
        limits_sha256: `limits_sha256` of the limits in force.
        from_day: the first UTC day, as 2026-11-07.
        to_day: the last one.
        days: UTC days on which it traded with all of this in force; a day without a fill is none.
        fills: how many.
        findings: reconciliation findings, by kind.
        findings_halting: how many of them were of a kind of mistake that halts.
        fees_paid: what the venue charged.
        fees_predicted: what our fee rule says of the same fills.
        markouts: profit per contract in dollars some time after the fill, by that time ("10s", "60s", ...).
        markout_fills: of how many fills each of these is.
        days_missing: days between the first and the last one that don't count.
        pnl: of all days, fees taken off.
        pnl_worse_queue: the same under the worse queue rule; shadow's fills are by that rule already.
    """

    format_version: Literal[1] = 1
    written_at: Ns
    kalshid_version: str
    mode: Literal["demo", "shadow"]
    strategies: tuple[StrategyRun, ...]
    model_sha256: str
    limits_sha256: str
    from_day: str
    to_day: str
    days: int
    fills: int
    findings: dict[str, int]
    findings_halting: int
    fees_paid: Money
    fees_predicted: Money | None
    markouts: dict[str, float | None]
    pnl: Money
    pnl_worse_queue: Money | None
    markout_fills: dict[str, int] = {}
    days_missing: tuple[str, ...] = ()


def _sha256(value: object) -> str:
    encoded = msgspec.json.encode(value, enc_hook=str, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


def config_sha256(config: Config) -> str:
    """Return the fingerprint of everything that a configuration says; comments and order don't count."""
    return _sha256(config)


def strategy_sha256(table: StrategyTable) -> str:
    """Return the fingerprint of a strategy's markets, parameters, own limits, model, and own code."""
    written = (table.name, table.series, table.params)
    # What is empty is left out: evidence of before there was such a thing stays good.
    more = [part for part in (table.model, table.categories, table.code_sha256) if part]
    limits = {
        "capital_dollars": table.capital_dollars,
        "daily_loss_max_dollars": table.daily_loss_max_dollars,
        "close_guard_s": table.close_guard_s,
    }
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return _sha256((*written, *more, *([given] if given else [])))


def limits_sha256(limits: Limits) -> str:
    """Return the fingerprint of the limits, in the core's units."""
    return _sha256(limits)


def strategy_runs(tables: tuple[StrategyTable, ...] | list[StrategyTable]) -> tuple[StrategyRun, ...]:
    """Return what runs of strategy tables: the enabled ones, by name."""
    return tuple(
        StrategyRun(table.name, strategy_sha256(table))
        for table in sorted(tables, key=lambda table: table.name)
        if table.enabled
    )


def read_check(folder: Path) -> CheckPassed:
    """Return the last check that passed. Raises EvidenceUnreadable."""
    return _read(folder / CHECK_NAME, CheckPassed)


def read_report(folder: Path) -> GoLiveReport:
    """Return the go-live report. Raises EvidenceUnreadable."""
    return _read(folder / REPORT_NAME, GoLiveReport)


def write_check(folder: Path, passed: CheckPassed) -> Path:
    """Put a passed check into the state folder, whole or not at all; return its path."""
    return _write(folder / CHECK_NAME, passed)


def write_report(folder: Path, report: GoLiveReport) -> Path:
    """Put a report into the state folder, whole or not at all; return its path."""
    return _write(folder / REPORT_NAME, report)


def forget_check(folder: Path) -> None:
    """Take a check out that no longer holds: one that fails revokes the one before."""
    (folder / CHECK_NAME).unlink(missing_ok=True)


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise EvidenceUnreadable(f"{path}: not there") from None
    except (OSError, msgspec.MsgspecError) as error:
        raise EvidenceUnreadable(f"{path}: can't be read: {error}") from error


def _write(path: Path, content: CheckPassed | GoLiveReport) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    fresh.touch(mode=0o600)  # what paper came to is its owner's business
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    fresh.replace(path)
    return path
