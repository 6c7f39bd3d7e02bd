"""`kalshid reconcile`: our books against the venue's lists, now.

A daemon that runs reads the lists and judges them itself, as it does all the time. With `--dry-run` this
process reads them, holds them against what the daemon (or the store) believes, and changes nothing. Lists
lag, and an account moves: what differs counts only when a second look finds the same.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
import msgspec

from daemon import exits
from daemon.account_sources import ANSWER_WITHIN_S, see
from daemon.command_line import CONFIG_OPTION, die, load_or_die
from daemon.config import Config
from daemon.core.own_orders import READ_LAG
from daemon.core.units import SECOND, format_money, format_qty
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import KalshiError
from daemon.kalshi.rest import ReadingRest
from daemon.shell.account_view import AccountView, FindingLine, ReadOrder
from daemon.shell.clock import SystemClock
from daemon.shell.control import Declined, NoAnswer, NoDaemon, ask_for, ask_order
from daemon.shell.summary import LIVE
from daemon.telling import JSON_OPTION, know_mode, say, say_json, say_mode, say_table, time_text
from daemon.venue import running_venue

READ_WITHIN_S = 30.0
LOOK_S = 0.3


class Difference(msgspec.Struct, frozen=True):
    """What we believe and what the venue tells, as decimal text; None where one side knows nothing of it."""

    kind: str
    subject: str
    believed: str | None
    told: str | None


class Compared(msgspec.Struct, frozen=True):
    """The JSON of `kalshid reconcile`. With --dry-run `differences`, without it the daemon's `findings`."""

    mode: str
    is_live: bool
    is_dry_run: bool
    source: str
    as_of: str
    is_agreed: bool
    differences: list[Difference] = []
    findings: list[FindingLine] = []


@click.command()
@CONFIG_OPTION
@click.option("--dry-run", is_flag=True, help="Only compare, in this process; tell nobody, change nothing.")
@JSON_OPTION
def reconcile(config_path: Path, dry_run: bool, is_json: bool) -> None:
    """Compare our books with the venue's lists, now.

    The daemon does so by itself all the time, and corrects or halts by its rules (FINDINGS.md). Exits 0 when
    they agree, 65 when they do not, 69 when no daemon (with --dry-run: no venue) answers, 75 when no reading
    came in time.
    """
    config = load_or_die(config_path)
    found = asyncio.run(_compare(config) if dry_run else _reconcile(config))
    code = exits.OK if found.is_agreed else exits.BAD_INPUT
    if is_json:
        say_json(found, code=code, error=_count(found))
    else:
        _say(found)
    sys.exit(code)


async def _reconcile(config: Config) -> Compared:
    """Have the daemon read the lists, and return what it found since; or exit."""
    folder = config.path(config.state_dir)
    try:
        before = await ask_order(folder, "/reconcile", ReadOrder(), ANSWER_WITHIN_S, AccountView)
        know_mode(before.mode)
        deadline = time.monotonic() + READ_WITHIN_S
        while True:
            now = await ask_for(folder, "/account", AccountView, ANSWER_WITHIN_S)
            # Lists that came sooner may be of before we asked: they prove nothing of this instant.
            is_late = now.read_at is not None and now.read_at >= before.at + READ_LAG
            if is_late and now.is_reconciled:
                break
            if time.monotonic() >= deadline:
                die(f"no reading that agrees came within {READ_WITHIN_S:g} s", exits.UNCONFIRMED)
            if not is_late and now.read_at is not None and now.read_at >= before.at:
                await ask_order(folder, "/reconcile", ReadOrder(), ANSWER_WITHIN_S, AccountView)
            await asyncio.sleep(LOOK_S)
    except (NoDaemon, NoAnswer, Declined) as problem:
        die(
            f"{problem}\na daemon reconciles when it starts; --dry-run compares without one",
            exits.UNAVAILABLE,
        )
    new = now.findings_total - before.findings_total
    return Compared(
        mode=now.mode,
        is_live=now.mode == LIVE,
        is_dry_run=False,
        source="daemon",
        as_of=time_text(now.at),
        is_agreed=not new,
        findings=now.findings[-new:] if new else [],
    )


async def _compare(config: Config) -> Compared:
    """Hold the venue's lists against our beliefs, twice; or exit."""
    if config.mode == "shadow":
        die("shadow's account is nowhere but in the daemon: there is nothing to compare", exits.UNAVAILABLE)
    try:
        address = await running_venue(config)
        if address is None:
            die("the sandbox does not run: there is nothing to compare with", exits.UNAVAILABLE)
        signer = Signer(address.key_id, load_private_key(address.private_key_file))
        async with ReadingRest(address.rest_url, signer, SystemClock().now) as rest:
            account, first = await _differences(config, rest)
            second = first
            if first:
                await asyncio.sleep(READ_LAG / SECOND)
                account, second = await _differences(config, rest)
    except (KalshiError, OSError) as error:
        die(f"the venue can't be read: {error}", exits.UNAVAILABLE)
    lasting = [one for one in first if one in second]
    return Compared(
        mode=account.mode,
        is_live=account.mode == LIVE,
        is_dry_run=True,
        source="store" if account.phase == "not running" else "daemon",
        as_of=time_text(account.at),
        is_agreed=not lasting,
        differences=lasting,
    )


async def _differences(config: Config, rest: ReadingRest) -> tuple[AccountView, list[Difference]]:
    """Return what we believe, and in what the venue differs at this instant."""
    seen = await see(config)
    if isinstance(seen, str):
        die(seen, exits.UNAVAILABLE)
    account = seen.account
    cash, _ = await rest.cash()
    held = {one.ticker: format_qty(one.qty) for one in await rest.positions() if one.qty}
    prefix = f"{config.orders.id_prefix}-"
    resting = {
        one.client_order_id: format_qty(one.remaining)
        for one in await rest.orders()
        if one.client_order_id.startswith(prefix)
    }
    believed = {one.ticker: one.qty for one in account.positions if float(one.qty)}
    ours = {one.client_order_id: one.remaining for one in account.orders}
    found = [
        *_unequal("cash", {"cash": account.cash}, {"cash": format_money(cash)}),
        *_unequal("position", believed, held),
        *_unequal("order", ours, resting),
    ]
    return account, found


def _unequal(
    kind: str, believed: dict[str, str | None] | dict[str, str], told: dict[str, str]
) -> list[Difference]:
    return [
        Difference(kind, subject, believed.get(subject), told.get(subject))
        for subject in sorted({*believed, *told})
        if believed.get(subject) != told.get(subject)
    ]


def _say(found: Compared) -> None:
    say_mode(found.mode)
    say(f"our books by the {found.source}, as of {found.as_of}")
    say_table(
        ("WHAT", "OF", "BELIEVED", "TOLD"),
        [(one.kind, one.subject, one.believed, one.told) for one in found.differences],
    )
    for one in found.findings:
        say(f"{one.kind} {one.subject}: believed {one.believed}, told {one.told}; rule {one.rule}")
    if found.is_agreed:
        say("they agree" + (": nothing was changed" if found.is_dry_run else ""))
    else:
        say(_count(found))


def _count(found: Compared) -> str:
    return f"{len(found.differences) + len(found.findings)} differences"
