"""Commands that read: `kalshid status`, `positions`, `orders`, `fills`, `pnl`.

The daemon answers over its control socket. Where none runs, or it doesn't answer, the store tells what was
known last, and a line says as of when. Amounts in JSON are decimal text, exact: dollars and contracts.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
import msgspec

from daemon import exits
from daemon.account_sources import Seen, Standing, see, standing_of, store_path
from daemon.command_line import CONFIG_OPTION, Duration, die, load_or_die
from daemon.config import Config
from daemon.core.units import SECOND, format_money, parse_money
from daemon.shell.account_view import PositionLine
from daemon.shell.control import Notified
from daemon.shell.open_orders import OrderLine
from daemon.shell.store.last_known import FillLine, LastRun, fills_of
from daemon.shell.store.reading import StoreUnreadable, reading
from daemon.shell.summary import LIVE
from daemon.telling import JSON_OPTION, complain, say, say_json, say_mode, say_table, time_text

WATCH_EVERY_S = 1.0


class FillsSeen(msgspec.Struct, frozen=True):
    """The JSON of `kalshid fills`."""

    mode: str
    is_live: bool
    source: str
    fills: list[FillLine]


class Earned(msgspec.Struct, frozen=True):
    """One market of `kalshid pnl`. `total` is None where what is held has no mark."""

    ticker: str
    realized: str
    unrealized: str | None
    fees: str
    total: str | None


class ProfitSeen(msgspec.Struct, frozen=True):
    """The JSON of `kalshid pnl`: the run's, or what the last one left."""

    mode: str
    is_live: bool
    source: str
    as_of: str
    pnl: str | None
    pnl_today: str | None
    drawdown: str | None
    fees: str
    equity: str | None
    cash: str | None
    markets: list[Earned]


class LinesSeen(msgspec.Struct, frozen=True):
    """The JSON of `kalshid positions` and `orders`; the other one's list is empty."""

    mode: str
    is_live: bool
    source: str
    as_of: str
    positions: list[PositionLine] = []
    orders: list[OrderLine] = []


@click.command()
@CONFIG_OPTION
@click.option("--watch", is_flag=True, help="Again every second, while the daemon runs; Ctrl-C ends it.")
@JSON_OPTION
def status(config_path: Path, watch: bool, is_json: bool) -> None:
    """Show how the daemon stands: mode, phase, halt, account, and what its last life came to.

    Exits 0 when a daemon answers, 69 when none does: then it tells what is known of the last one. With
    --watch --json one line a second is one object.
    """
    config = load_or_die(config_path)
    try:
        while _tell_standing(config, is_watch=watch, is_json=is_json) and watch:
            time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _tell_standing(config: Config, *, is_watch: bool, is_json: bool) -> bool:
    """Tell how the daemon stands, and return whether one answers; exits where none does."""
    standing = asyncio.run(standing_of(config))
    if is_json:
        code = exits.OK if standing.is_running else exits.UNAVAILABLE
        say_json(standing, is_line=is_watch, code=code, error=standing.problem)
    else:
        if is_watch and sys.stdout.isatty():
            click.clear()
        _say_standing(standing)
    return standing.is_running or sys.exit(exits.UNAVAILABLE)


@click.command()
@CONFIG_OPTION
@JSON_OPTION
def positions(config_path: Path, is_json: bool) -> None:
    """List what is held: signed YES contracts, their cost, and what they are worth at the mark.

    Exits 69 when neither a daemon nor the store knows.
    """
    seen = _seen_or_die(load_or_die(config_path))
    held = [line for line in seen.account.positions if float(line.qty)]
    if is_json:
        say_json(LinesSeen(seen.account.mode, seen.is_live, seen.source, seen.as_of, positions=held))
        return
    _say_source(seen)
    say_table(
        ("MARKET", "CONTRACTS", "COST", "MARK", "UNREALIZED", "REALIZED", "FEES"),
        [(one.ticker, one.qty, one.cost, one.mark, one.unrealized, one.realized, one.fees) for one in held],
    )
    say(f"{len(held)} positions")


@click.command()
@CONFIG_OPTION
@JSON_OPTION
def orders(config_path: Path, is_json: bool) -> None:
    """List our orders that may still trade.

    From the store these are the orders whose end the last life didn't write: at most they rest. Exits 69 when
    neither a daemon nor the store knows.
    """
    seen = _seen_or_die(load_or_die(config_path))
    lines = seen.account.orders
    if is_json:
        say_json(LinesSeen(seen.account.mode, seen.is_live, seen.source, seen.as_of, orders=lines))
        return
    _say_source(seen)
    say_table(
        ("ORDER", "MARKET", "SIDE", "PRICE", "REMAINING", "STATE"),
        [
            (one.client_order_id, one.ticker, one.side, one.price, one.remaining, one.state)
            for one in lines
        ],
    )  # fmt: skip
    say(f"{len(lines)} orders")


@click.command()
@CONFIG_OPTION
@click.option("--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="So many.")
@click.option("--for", "for_s", type=Duration(), help="Only those of so long back, such as 24h.")
@click.option("--market", help="Only those in this market.")
@JSON_OPTION
def fills(config_path: Path, last: int, for_s: float | None, market: str | None, is_json: bool) -> None:
    """List the latest fills of the configured mode, oldest first.

    From the store, which is a second behind a running daemon. Exits 69 when there is no store.
    """
    config = load_or_die(config_path)
    since = 0 if for_s is None else time.time_ns() - int(for_s * SECOND)
    try:
        with reading(store_path(config)) as store:
            found = fills_of(store, config.mode, since=since, ticker=market, limit=last)
    except StoreUnreadable as error:
        die(str(error), exits.UNAVAILABLE)
    if is_json:
        say_json(FillsSeen(config.mode, config.mode == LIVE, "store", found))
        return
    say_mode(config.mode)
    say_table(
        ("AT", "MARKET", "SIDE", "CONTRACTS", "PRICE", "FEE", "AS", "STRATEGY", "ORDER"),
        [
            (
                time_text(one.at), one.ticker, one.side, one.qty, one.price, one.fee,
                "taker" if one.is_taker else "maker", one.strategy, one.client_order_id or one.order_id,
            )
            for one in found
        ],
    )  # fmt: skip
    say(f"{len(found)} fills, from the store")


@click.command()
@CONFIG_OPTION
@JSON_OPTION
def pnl(config_path: Path, is_json: bool) -> None:
    """Show profit and loss of this run and of today, and by market.

    At marks, fees taken off, without what the owner moved. Where no daemon runs nothing is marked: then it is
    what the last life realized. Exits 69 when neither a daemon nor the store knows.
    """
    seen = _seen_or_die(load_or_die(config_path))
    account = seen.account
    earned = [_earned(line) for line in account.positions]
    if is_json:
        say_json(
            ProfitSeen(
                account.mode, seen.is_live, seen.source, seen.as_of, account.pnl, account.pnl_today,
                account.drawdown, account.fees, account.equity, account.cash, earned,
            )
        )  # fmt: skip
        return
    _say_source(seen)
    say_table(
        ("MARKET", "REALIZED", "UNREALIZED", "FEES", "TOTAL"),
        [(one.ticker, one.realized, one.unrealized, one.fees, one.total) for one in earned],
    )
    unknown = "unknown: only a running daemon marks"
    say(f"P&L of the run   {_dollars(account.pnl, unknown)}")
    say(f"P&L today (UTC)  {_dollars(account.pnl_today, unknown)}")
    say(f"drawdown         {_dollars(account.drawdown, unknown)}")
    say(f"fees of the run  {_dollars(account.fees)}, {account.fills} fills")
    say(f"equity           {_dollars(account.equity)}, cash {_dollars(account.cash)}")


def _seen_or_die(config: Config) -> Seen:
    """Return the account by the daemon, else by the store, or exit saying why neither tells it."""
    seen = asyncio.run(see(config))
    if isinstance(seen, str):
        die(seen, exits.UNAVAILABLE)
    return seen


# --- words ---------------------------------------------------------------------------------------


def _say_source(seen: Seen) -> None:
    say_mode(seen.account.mode)
    if seen.source == "daemon":
        say(f"from the daemon (process {seen.pid}), as of {seen.as_of}")
        return
    complain(seen.why_not or "")
    say(f"from the store, as of {seen.as_of}: what the last life knew")


def _say_standing(now: Standing) -> None:
    say_mode(now.mode)
    if now.problem is not None:
        complain(now.problem)
    who = f"process {now.pid}" if now.is_running else "no daemon answers"
    say(f"{now.phase.upper()}  {who}" + ("" if now.as_of is None else f", as of {now.as_of} ({now.source})"))
    if now.is_halted:
        on_disk = "on disk" if now.is_latched else "NOT on disk"
        say(f'HALTED  {now.halt_reason} ({on_disk}); `kalshid resume --reason "why"` lifts it')
    if now.is_running and not now.is_reconciled:
        say("the account is not reconciled: nothing new is sent")
    say(f"equity {_dollars(now.equity)}, cash {_dollars(now.cash)}")
    if now.is_running:
        say(f"P&L of the run {_dollars(now.pnl)}, today {_dollars(now.pnl_today)}")
    if now.positions is not None:
        say(
            f"{now.positions} positions, {now.orders} open orders, {now.fills} fills, {now.findings} findings"
        )
    for name, why in now.strategies_off.items():
        say(f"strategy {name} is off: {why}")
    if now.notified is not None and (told := _notified_words(now.notified)):
        say(told)
    if now.last_run is not None and not now.is_running:
        say(_run_words(now.last_run))


def _notified_words(notified: Notified) -> str:
    """Return what of the notices did not reach anybody; empty where all did."""
    lost = {
        name: count
        for name, count in notified.counts.items()
        if count and name not in ("delivered", "retried")
    }
    if not lost and notified.failure is None:
        return ""
    counts = ", ".join(f"{count} {name}" for name, count in lost.items()) or "none lost yet"
    return f"NOTIFICATIONS  {counts}; {notified.failure or 'the last one arrived'}"


def _run_words(run: LastRun) -> str:
    began = f"last run: {time_text(run.started_at)}, version {run.version}"
    if run.ended_at is None:
        return f"{began}; it wrote no end: it was killed, or still runs"
    return f"{began}; ended {time_text(run.ended_at)} by {run.end_reason}, exit code {run.exit_code}"


def _dollars(money: str | None, unknown: str = "unknown") -> str:
    return unknown if money is None else f"${money}"


def _earned(line: PositionLine) -> Earned:
    flat = not float(line.qty)
    unrealized = "0.000000" if flat else line.unrealized
    total = None
    if unrealized is not None:
        total = format_money(parse_money(line.realized) + parse_money(unrealized) - parse_money(line.fees))
    return Earned(line.ticker, line.realized, unrealized, line.fees, total)
