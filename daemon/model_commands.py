"""`kalshid model`: which model scores, told to a daemon that runs, and how each one does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import click

from daemon import exits
from daemon.account_sources import know_mode_of
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.core.models import DEFAULT
from daemon.core.units import DAY, SECOND, Ns
from daemon.shell import log
from daemon.shell.control import Declined, NoAnswer, NoDaemon, SwapOrder, ask_models, ask_swap
from daemon.shell.model_status import ModelStatus
from daemon.telling import JSON_OPTION, has_json_words, say, say_json

SWAPPED_WITHIN_S = 60.0
"""A child process looks at the model first, and a large one takes its time to load."""
ANSWERED_WITHIN_S = 5.0


@click.group()
def model() -> None:
    """The models that score."""


@model.command()
@CONFIG_OPTION
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--slot", default=DEFAULT, show_default=True,
              help="What it replaces: default, a name of [model.named], or challenger.")  # fmt: skip
@has_json_words
def swap(config_path: Path, folder: Path, slot: str) -> None:
    """Let the running daemon score with the model in FOLDER from now on.

    Between two decisions, without a restart; the next start reads the configuration again. Exits 65 when the
    model is refused (the old one goes on), 69 when no daemon answers.
    """
    config = load_or_die(config_path)
    log.configure()
    know_mode_of(config)
    state_dir = config.path(config.state_dir)
    order = SwapOrder(str(folder.resolve()), slot)
    try:
        swapped = asyncio.run(ask_swap(state_dir, order, SWAPPED_WITHIN_S))
    except Declined as problem:
        die(f"not swapped: {problem}", exits.BAD_INPUT)
    except (NoDaemon, NoAnswer) as problem:
        die(f"{problem}\nnot swapped, as far as is known", exits.UNAVAILABLE)
    key = {DEFAULT: "model.path", "challenger": "model.challenger"}.get(slot, f"model.named.{slot}")
    say(f"{slot}: {swapped.old or 'none'} -> {swapped.new} (sha256 {swapped.sha256[:12]})")
    say(f"to keep it, write its folder to {key} in {config_path}")


@model.command()
@CONFIG_OPTION
@JSON_OPTION
def status(config_path: Path, is_json: bool) -> None:
    """Show how each model of the running daemon does, whether it drifts, and what follows.

    Exits 69 when no daemon answers.
    """
    config = load_or_die(config_path)
    log.configure()
    know_mode_of(config)
    try:
        found = asyncio.run(ask_models(config.path(config.state_dir), ANSWERED_WITHIN_S))
    except (NoDaemon, NoAnswer, Declined) as problem:
        die(str(problem), exits.UNAVAILABLE)
    if is_json:
        say_json(found)
        return
    say("\n\n".join("\n".join(lines_of(one, found.at)) for one in found.models) or "no model scores")


def lines_of(one: ModelStatus, now: Ns) -> list[str]:
    """Return how a model stands, in words, a line for each thing."""
    age = (
        "age unknown"
        if one.trained_until is None
        else f"trained {(now - one.trained_until) / DAY:.0f} days ago"
    )
    expiry = "never expires" if one.expires_at is None else f"expires {_day(one.expires_at)}"
    out_of = f"{one.scores_out_of_range} of {one.scores} scores out of the training's range"
    lines = [f"{one.slot} ({one.role}): {one.model}, {age}, {expiry}", f"  {out_of}"]
    if one.demoted is not None:
        lines.append(f"  {one.demoted.model} was taken out {_day(one.demoted.at)}: {one.demoted.reason}")
    if one.verdict is None:
        return [*lines, f"  what follows: {one.follows}"]
    since = "from the beginning" if one.since is None else f"since {_day(one.since)}"
    lines += [
        f"  outcomes: {one.outcomes}, {_against_mid(one)}",
        f"  reliability: {_reliability(one)}",
        "  PSI: "
        + (", ".join(f"{name} {psi:.3f}" for name, psi in one.psi) or "unknown before a full window"),
        f"  {one.verdict} {since}" + "".join(f"; {reason}" for reason in one.reasons),
    ]
    return [*lines, f"  what follows: {one.follows}"]


def _against_mid(one: ModelStatus) -> str:
    if one.brier is None or one.excess is None:
        return "too few to say how it does"
    found = one.excess
    return f"Brier {one.brier:.4f}, against the mid {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _reliability(one: ModelStatus) -> str:
    if one.expected is None or one.paid is None or one.z is None:
        return "unknown"
    return f"{one.expected:.3f} expected, {one.paid:.3f} paid, Z {one.z:+.1f}"


def _day(at: Ns) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
