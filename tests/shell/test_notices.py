"""What of a run is told: halts, losses, findings, payouts, the day's end; PAPER or LIVE first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from structlog.testing import capture_logs

from daemon.config import Config, ConfigError, parse_config
from daemon.config_tables import NoticeKind, Notify
from daemon.core import events as e
from daemon.core.commands import LatchHalt, LiftHalt
from daemon.core.engine import Engine
from daemon.core.findings import Drift
from daemon.core.ledger import Paid
from daemon.core.units import DAY, HOUR, SECOND, Ns
from daemon.shell.notices import GATHERED, LISTED_MAX, Notices, open_notices
from daemon.shell.notifications import Notice, Notifications
from tests.shell.beliefs import lived
from tests.shell.test_notifications import Taker

NOON: Ns = 20_000 * DAY + 12 * HOUR


class Told:
    """A run whose notices are kept."""

    def __init__(self, kinds: Sequence[NoticeKind] = get_args(NoticeKind), mode: str = "sandbox") -> None:
        self.engine: Engine = lived()
        self.taker = Taker()
        self.now = NOON
        self.notices = Notices(kinds, mode, Notifications({"line 1": self.taker}), lambda: self.now)
        self.batch()

    def batch(self, *records: e.Event | LatchHalt | LiftHalt) -> None:
        """Let it take these."""
        commands = [one for one in records if isinstance(one, LatchHalt | LiftHalt)]
        events = [one for one in records if not isinstance(one, LatchHalt | LiftHalt)]
        self.notices.on_batch(self.engine, events, commands)

    def end(self) -> list[str]:
        """All that arrived."""
        self.notices.close()
        return self.taker.taken


def test_halts_and_resumes_are_told_with_who_and_why() -> None:
    """A limit on losses is a kind of its own, so that it can be asked for alone."""
    told = Told()
    told.batch(LatchHalt("enough", "cli", NOON), LiftHalt("looked at it", "cli", NOON))
    told.batch(LatchHalt("a loss of $300", "breaker daily_loss", NOON))
    assert [
        "PAPER (sandbox) kalshid: halted | by cli: enough",
        "PAPER (sandbox) kalshid: resumed | by cli: looked at it",
        "PAPER (sandbox) kalshid: halted | by breaker daily_loss: a loss of $300",
    ] == told.end()
    losses = Told(["loss_limit"], "live")
    losses.batch(LatchHalt("enough", "cli", NOON), LatchHalt("a fall", "breaker drawdown", NOON))
    assert ["LIVE kalshid: halted | by breaker drawdown: a fall"] == losses.end()


def test_what_is_told_may_change_while_it_runs() -> None:
    """From then on; what was told is told."""
    told = Told(["halt"])
    told.batch(LatchHalt("first", "cli", NOON))
    told.notices.kinds = frozenset({"loss_limit"})
    told.batch(LatchHalt("second", "cli", NOON), LatchHalt("a fall", "breaker drawdown", NOON))
    assert ["cli: first", "breaker drawdown: a fall"] == [one.partition("by ")[2] for one in told.end()]


def test_findings_of_a_batch_are_one_notice() -> None:
    """The first ones by their words, all by their number; those of before are not told again."""
    told = Told()
    log = told.engine.state.account.log
    for number in range(LISTED_MAX + 2):
        log.add(Drift("orphan", f"o-{number}", None, 100), "any", NOON)
    told.batch()
    told.batch()
    (only,) = told.end()
    first, *lines = only.splitlines()
    assert first.startswith("PAPER (sandbox) kalshid: 22 findings | orphan o-0: believed unknown, told 100; ")
    assert (LISTED_MAX, "and 2 more") == (len(lines), lines[-1])


def test_payouts_are_gathered_for_a_while() -> None:
    """A ladder is one notice with its sum; a payout that is told twice counts once, one of nothing not."""
    told = Told()
    paid = told.engine.state.ledger.paid
    paid["A"], paid["B"] = Paid(10_000, 300, 3_000_000, 0), Paid(0, -200, 2_000_000, 0)
    paid["C"] = Paid(0, 0, 0, 0)
    told.batch(e.MarketSettled("A", NOON), e.MarketSettled("A", NOON), e.MarketSettled("C", NOON))
    told.now += GATHERED - SECOND
    told.batch(e.MarketSettled("B", told.now))
    assert [] == told.taker.taken
    told.now += SECOND
    told.batch()
    assert [
        "PAPER (sandbox) kalshid: paid out +5.00 $ | A: 3.00 YES at $1.0000, +3.00 $\n"
        "B: -2.00 YES at $0.0000, +2.00 $"
    ] == told.end()


def test_the_day_is_told_when_it_is_over() -> None:
    """Once, by what was last known of it; the next one counts its own fills and fees only."""
    told = Told()
    told.engine.state.ledger.fees += 1_000_000
    told.now = NOON + 11 * HOUR
    told.batch()
    told.now = NOON + 13 * HOUR
    told.batch()
    told.now += DAY
    told.batch()
    first, second = told.end()
    assert first.startswith("PAPER (sandbox) kalshid: 2024-10-04, P&L ")
    assert "1 fills, fees +1.02 $; 1 positions are open. More: kalshid report --day 2024-10-04" in first
    assert "2024-10-05" in second
    assert "0 fills, fees +0.00 $" in second


def test_a_mistake_in_it_stops_nothing_that_trades(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged once and shown for good, and the batches go on."""
    told = Told()
    broken: list[Notice] = []

    def refuse(notice: Notice) -> None:
        broken.append(notice)
        raise KeyError("a mistake")

    monkeypatch.setattr(told.notices.queue, "put", refuse)
    with capture_logs() as logs:
        told.batch(LatchHalt("enough", "cli", NOON))
        told.batch(LatchHalt("again", "cli", NOON))
    assert (1, ["notices.given_up"]) == (len(broken), [one["event"] for one in logs])
    assert "KeyError: nothing is told any more" == told.notices.queue.failure


def config(folder: Path, **notify: str) -> Config:
    """The shipped configuration with a [notify] table."""
    shipped = parse_config("config.toml", (Path(__file__).parents[2] / "config.toml").read_text(), folder)
    return msgspec.structs.replace(shipped, notify=Notify(**notify))  # type: ignore[arg-type]


async def test_it_is_off_by_default_and_on_a_tape(tmp_path: Path) -> None:
    """Nobody is told anything that was not asked for."""
    async with AsyncExitStack() as stack:
        assert open_notices(config(tmp_path), "sandbox", stack) is None
        assert open_notices(config(tmp_path, urls_file="urls"), "tape", stack) is None


async def test_a_file_that_cant_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    """It names the key and the file, and the run does not begin."""
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError, match=r"notify\.urls_file: .*urls: can't be read"):
            open_notices(config(tmp_path, urls_file="urls"), "sandbox", stack)
