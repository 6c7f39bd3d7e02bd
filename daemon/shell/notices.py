"""What of a run is worth a notice: halts, findings, payouts and the day's end, read from the pump's batches.

It reads copies after the core has decided, and changes nothing. Payouts are gathered for a while: a ladder of
strikes is paid out together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import msgspec
import structlog

from daemon.config import Config, ConfigError
from daemon.config_tables import NoticeKind
from daemon.core import events as e
from daemon.core.commands import Command, LatchHalt, LiftHalt
from daemon.core.engine import Engine
from daemon.core.findings import FindingLog
from daemon.core.ledger import Paid
from daemon.core.units import DAY, MONEY_ONE, SECOND, Money, Ns, format_price, format_qty
from daemon.shell.notifications import Notice, Notifications, NotifyRefused, load_targets

log = structlog.get_logger(__name__)

GATHERED: Ns = 30 * SECOND
"""So long after a payout the ones that follow it are told with it."""
LOOK_EVERY: Ns = SECOND
LISTED_MAX = 20
"""So many findings or payouts stand in one notice; more are counted."""
LOSSES = frozenset({"breaker daily_loss", "breaker drawdown"})
"""Who halts when a limit on losses is reached."""


class _Day(msgspec.Struct, frozen=True):
    """How a UTC day stood when it was last looked at."""

    number: int
    pnl: Money
    fills: int
    fees: Money


class Notices:
    """Turns what happened into notices.

    Args:
        kinds: those that are asked for.
        mode: where it is traded.
        queue: takes the notices, and never waits.
        now: our clock.
    """

    def __init__(
        self,
        kinds: Collection[NoticeKind],
        mode: str,
        queue: Notifications,
        now: Callable[[], Ns] = time.time_ns,
    ) -> None:
        self.queue = queue
        self.kinds = frozenset(kinds)
        """What is told; all else is not."""
        self._first = "LIVE" if mode == "live" else f"PAPER ({mode})"
        self._now = now
        self._has_failed = False
        self._findings = 0
        self._settled: dict[str, None] = {}
        self._payouts: list[str] = []
        self._revenue: Money = 0
        self._payouts_since: Ns = 0
        self._looked_at: Ns = 0
        self._day: _Day | None = None
        self._begun_fills, self._begun_fees = 0, 0

    def on_batch(self, engine: Engine, events: Sequence[e.Event], commands: Sequence[Command]) -> None:
        """Take what the core has handled and decided; it is only read."""
        if self._has_failed:
            return
        try:
            self._take(engine, events, commands)
        except Exception as error:  # a mistake in what is told must not stop what trades
            self._has_failed = True
            self.queue.give_up(f"{type(error).__name__}: nothing is told any more")
            log.error("notices.given_up", exc_info=error)

    def _take(self, engine: Engine, events: Sequence[e.Event], commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, LatchHalt):
                kind: NoticeKind = "loss_limit" if command.by in LOSSES else "halt"
                self._tell(kind, "halted", f"by {command.by}: {command.reason}")
            elif isinstance(command, LiftHalt):
                self._tell("halt", "resumed", f"by {command.by}: {command.reason}")
        for event in events:
            if type(event) is e.MarketSettled:
                self._settle(event, engine.state.ledger.paid.get(event.ticker))
        if engine.state.account.log.total != self._findings:
            self._find(engine.state.account.log)
        now = self._now()
        if now - self._looked_at >= LOOK_EVERY:
            self._look(engine, now)

    def close(self) -> None:
        """Tell what was still being gathered, deliver what waits, and end."""
        self._tell_payouts()
        self.queue.close()

    def _tell(self, kind: NoticeKind, what: str, body: str) -> None:
        if kind in self.kinds:
            self.queue.put(Notice(kind, f"{self._first} kalshid: {what}", body))

    def _find(self, account: FindingLog) -> None:
        """Tell the new findings, all of one batch at once."""
        found = account.since(self._findings)
        count, self._findings = account.total - self._findings, account.total
        lines = [
            f"{one.kind} {one.subject}: believed {_known(one.believed)}, told {_known(one.told)}; {one.rule}"
            for one in found[:LISTED_MAX]
        ]
        self._tell("finding", f"{count} findings" if count > 1 else "a finding", _listed(lines, count))

    def _settle(self, event: e.MarketSettled, paid: Paid | None) -> None:
        if paid is None or not paid.qty or event.ticker in self._settled:
            return
        self._settled[event.ticker] = None
        if len(self._settled) > 1_000:
            del self._settled[next(iter(self._settled))]
        if not self._payouts:
            self._payouts_since = event.received_at
        self._revenue += paid.revenue
        self._payouts.append(
            f"{event.ticker}: {format_qty(paid.qty)} YES at ${format_price(paid.price)},"
            f" {_dollars(paid.revenue)}"
        )

    def _look(self, engine: Engine, now: Ns) -> None:
        self._looked_at = now
        if self._payouts and now - self._payouts_since >= GATHERED:
            self._tell_payouts()
        ledger, number = engine.state.ledger, now // DAY
        if self._day is not None and self._day.number != number:
            held = sum(position.qty != 0 for position in ledger.positions.values())
            self._tell_day(self._day, held)
            self._begun_fills, self._begun_fees = self._day.fills, self._day.fees
        self._day = _Day(number, engine.gathering.pnl_today(), ledger.fills_total, ledger.fees)

    def _tell_payouts(self) -> None:
        if self._payouts:
            body = _listed(self._payouts[:LISTED_MAX], len(self._payouts))
            self._tell("settlement", f"paid out {_dollars(self._revenue)}", body)
        self._payouts, self._revenue = [], 0

    def _tell_day(self, day: _Day, held: int) -> None:
        name = datetime.fromtimestamp(day.number * DAY // SECOND, UTC).date().isoformat()
        body = (
            f"P&L {_dollars(day.pnl)}; in this run's part of the day {day.fills - self._begun_fills} fills,"
            f" fees {_dollars(day.fees - self._begun_fees)}; {held} positions are open."
            f" More: kalshid report --day {name}"
        )
        self._tell("daily_report", f"{name}, P&L {_dollars(day.pnl)}", body)


def open_notices(config: Config, mode: str, stack: AsyncExitStack) -> Notices | None:
    """Return what tells a person of this run, until the stack ends; None where nobody asked, and on a tape.

    Raises:
        ConfigError: the file of URLs can't be used.
    """
    if not config.notify.urls_file or mode == "tape":
        return None
    try:
        queue = Notifications(load_targets(config.path(config.notify.urls_file)))
    except NotifyRefused as error:
        raise ConfigError([f"notify.urls_file: {error}"]) from error
    notices = Notices(config.notify.events, mode, queue)
    stack.callback(notices.close)
    return notices


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _dollars(money: Money) -> str:
    return f"{money / MONEY_ONE:+,.2f} $"


def _listed(lines: Sequence[str], count: int) -> str:
    more = count - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])
