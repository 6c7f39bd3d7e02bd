"""`kalshid report`: what was traded, told from the store and the journals."""

from __future__ import annotations

import time
from importlib.metadata import version as installed_version
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from daemon import exits
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.core.units import MONEY_ONE, Money, Ns
from daemon.live_guard import DAYS_MIN
from daemon.model_slots import load_models, traded_sha256
from daemon.report.figures import gather_figures
from daemon.report.period import Period, PeriodRefused, day_of, parse_day, parse_range
from daemon.scoring.registry import ModelRefused
from daemon.shell.golive import GoLiveReport, limits_sha256, strategy_runs, write_report
from daemon.shell.store import STORE_NAME
from daemon.shell.store.evidence import DAY_RULE, NoEvidence, Wanted, gather
from daemon.shell.store.reading import StoreUnreadable
from daemon.telling import JSON_OPTION, say, say_json, say_mode

REPORTS_FOLDER = "reports"
"""In the state folder."""


@click.group(invoke_without_command=True)
@CONFIG_OPTION
@click.option("--day", metavar="DAY", help="One UTC day, such as 2026-11-20; today if nothing is said.")
@click.option("--range", "days", metavar="A..B", help="Several days, both in it: 2026-11-18..2026-11-20.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the page is written.")
@JSON_OPTION
@click.pass_context
def report(
    context: click.Context,
    config_path: Path,
    day: str | None,
    days: str | None,
    out: Path | None,
    is_json: bool,
) -> None:
    """What was traded, earned, risked, and what went wrong: one HTML page that needs nothing else.

    Of the configuration's mode; a running daemon is not disturbed. Without --out it goes into the folder
    reports of the state folder; with --json all figures are printed, and no page is written. Exits 65 when
    there is no store.
    """
    if context.invoked_subcommand is not None:
        return
    if day is not None and days is not None:
        raise click.UsageError("--day and --range exclude each other")
    now = time.time_ns()
    try:
        period = _period(day, days, now)
    except PeriodRefused as error:
        raise click.UsageError(str(error)) from None
    config = load_or_die(config_path)
    folder = config.path(config.state_dir)
    try:
        figures = gather_figures(folder, config.mode, config.limits(), period, now)
    except StoreUnreadable as error:
        die(f"nothing to report from: {error}", exits.BAD_INPUT)
    if is_json:
        say_json(figures)
        return
    from daemon.report.page import headline, render, write_page  # noqa: PLC0415 - it draws with the lab's pen

    path = out or folder / REPORTS_FOLDER / f"{config.mode}-{period.name}.html"
    try:
        write_page(path, render(figures))
    except OSError as error:
        die(f"the report can't be written: {error}", exits.UNRECORDED)
    say(headline(figures))
    say(f"Written: {path}")


def _period(day: str | None, days: str | None, now: Ns) -> Period:
    if days is not None:
        return parse_range(days)
    return day_of(now) if day is None else parse_day(day)


@report.command()
@CONFIG_OPTION
@click.option("--days", type=click.IntRange(1, 366), default=DAYS_MIN, show_default=True,
              help="How many UTC days back; today comes on top.")  # fmt: skip
@JSON_OPTION
def golive(config_path: Path, days: int, is_json: bool) -> None:
    """Sum up days of demo or shadow, as the evidence that mode live asks for.

    Counts the runs with this configuration's strategies, model and limits, and writes golive.json into the
    state folder. Exits 65 when there is nothing that counts.
    """
    config = load_or_die(config_path)
    try:
        models_sha256 = traded_sha256(config, load_models(config).refs)
    except ModelRefused as error:
        die(str(error), exits.CONFIG)
    wanted = Wanted(strategy_runs(config.strategies), models_sha256, limits_sha256(config.limits()))
    folder = config.path(config.state_dir)
    try:
        found = gather(
            folder / STORE_NAME, wanted, days=days, now=time.time_ns(), version=installed_version("kalshid")
        )
    except NoEvidence as error:
        die(f"no evidence: {error}", exits.BAD_INPUT)
    try:
        path = write_report(folder, found)
    except OSError as error:
        die(f"the report can't be written: {error}", exits.UNRECORDED)
    if is_json:
        say_json(found)
        return
    say_mode(found.mode)
    Console().print(report_table(found))
    say(f"{DAY_RULE[0].upper()}{DAY_RULE[1:]}. Written: {path}")


def report_table(found: GoLiveReport) -> Table:
    """Return a report as a table for people: dollars, and mark-outs in cents per contract."""
    table = Table(title=f"{found.mode}, {found.from_day} to {found.to_day}", show_header=False)
    for run in found.strategies:
        table.add_row(f"strategy {run.name}", run.sha256[:12])
    table.add_row("model", found.model_sha256[:12])
    table.add_row("limits", found.limits_sha256[:12])
    table.add_row("days that count", f"{found.days} of {DAYS_MIN} needed")
    table.add_row("days missing", ", ".join(found.days_missing) or "none")
    table.add_row("fills", f"{found.fills:,}")
    findings = ", ".join(f"{kind} {count}" for kind, count in found.findings.items())
    halting = f"; {found.findings_halting} halted" if found.findings_halting else ""
    table.add_row("findings", f"{findings}{halting}" if findings else "none")
    table.add_row("fees paid", _dollars(found.fees_paid))
    table.add_row("fees predicted", "unknown" if found.fees_predicted is None else _predicted(found))
    for after, gained in found.markouts.items():
        cents = "unknown" if gained is None else f"{100 * gained:+.2f}c a contract"
        table.add_row(f"mark-out {after}", f"{cents}, {found.markout_fills.get(after, 0):,} fills")
    table.add_row("P&L, fees off", _dollars(found.pnl))
    worse = "unknown" if found.pnl_worse_queue is None else _dollars(found.pnl_worse_queue)
    is_same = found.mode == "shadow"
    table.add_row("P&L, worse queue", f"{worse} (the same rule)" if is_same else worse)
    return table


def _predicted(found: GoLiveReport) -> str:
    assert found.fees_predicted is not None
    return f"{_dollars(found.fees_predicted)}, off by {_dollars(found.fees_paid - found.fees_predicted)}"


def _dollars(money: Money) -> str:
    return f"{money / MONEY_ONE:+,.4f} $"
