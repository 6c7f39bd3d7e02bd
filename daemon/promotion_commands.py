"""`kalshid lab promote`, `rollback`, `champions`: who is champion of a line, by evidence or by a reason."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon import exits
from daemon.command_line import die
from daemon.scoring.metadata import ModelRefused
from daemon.telling import has_json_words, say

if TYPE_CHECKING:
    from daemon.lab.promotion import Change, Evidence

REGISTRY = click.Path(path_type=Path, exists=True, file_okay=False)
LINE = click.option("--line", required=True, help="What the models compete for, such as btc15m.")


@click.command()
@click.argument("folder", type=REGISTRY)
@LINE
@click.option("--evidence", "evidence_path", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="What held-out rows say of it, as the lab wrote it.")  # fmt: skip
@click.option("--reason", help="Why all the same, where the evidence is short of it; it is recorded.")
@has_json_words
def promote(folder: Path, line: str, evidence_path: Path | None, reason: str | None) -> None:
    """Make the model in FOLDER (<registry>/<name>/<version>) the champion of a line.

    Passes only when the intervals of its gain over the champion and over the market are both above 0, or
    with a reason. Exits 65 when it does not. The running daemon is told by `kalshid model swap`.
    """
    from daemon.lab import promotion  # noqa: PLC0415 - the daemon starts without the lab

    evidence = None if evidence_path is None else _read_evidence(evidence_path)
    try:
        change = promotion.promote(
            folder.absolute().parent.parent, line, folder.absolute(), time.time_ns(), evidence, reason
        )
    except (promotion.NotPromoted, ModelRefused) as error:
        die(f"not promoted: {error}", exits.BAD_INPUT)
    _say(change, folder.absolute().parent.parent)


@click.command()
@click.argument("registry", type=REGISTRY)
@LINE
@click.option("--reason", required=True, help="Why; it is recorded.")
@has_json_words
def rollback(registry: Path, line: str, reason: str) -> None:
    """Make the champion before this one champion of a line again. Exits 65 when there was none."""
    from daemon.lab import promotion  # noqa: PLC0415 - the daemon starts without the lab

    try:
        change = promotion.roll_back(registry, line, time.time_ns(), reason)
    except (promotion.NotPromoted, ModelRefused) as error:
        die(f"not rolled back: {error}", exits.BAD_INPUT)
    _say(change, registry)


@click.command()
@click.argument("registry", type=REGISTRY)
@has_json_words
def champions(registry: Path) -> None:
    """Say who is champion of every line of a REGISTRY, and why."""
    from daemon.lab import promotion  # noqa: PLC0415 - the daemon starts without the lab

    try:
        lines = dict.fromkeys(change.line for change in promotion.read_record(registry))
        found = [promotion.champion_of(registry, line) for line in lines]
    except promotion.NotPromoted as error:
        die(str(error), exits.BAD_INPUT)
    for change in found:
        if change is not None:
            say(f"{change.line}: {change.name}/{change.version} ({_why(change)})")


def _read_evidence(path: Path) -> Evidence:
    from daemon.lab.promotion import read_evidence  # noqa: PLC0415 - the daemon starts without the lab

    try:
        return read_evidence(path)
    except ValueError as error:
        die(str(error), exits.BAD_INPUT)


def _why(change: Change) -> str:
    return change.reason or "better than the champion before it and than the market"


def _say(change: Change, registry: Path) -> None:
    say(f"{change.line}: {change.name}/{change.version} is champion ({_why(change)})")
    say(f"to score with it: kalshid model swap {change.folder(registry)}")
