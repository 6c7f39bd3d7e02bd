"""The samples of risk: limits and what is used of them, who halted, what has no end."""

from __future__ import annotations

from pathlib import Path

from daemon.core import events as e
from daemon.core.commands import PlaceOrder
from daemon.core.units import MONEY_ONE
from daemon.shell.risk_samples import HALTERS, disk_free, risk_samples
from tests.core.worlds import NOW, Scripted, engine, trading
from tests.shell.beliefs import BUY, LATER, lived


def test_what_is_used_of_the_limits_is_what_risk_would_count() -> None:
    """4 bought at 40 c and an amend that may bring 10 more: 14 may be lost; a gain takes nothing."""
    subject = lived()
    samples = risk_samples(subject)
    limits = subject.gathering.limits
    used, most = samples["kalshid_risk_taken_dollars"], samples["kalshid_risk_limit_dollars"]
    assert isinstance(used, dict)
    assert isinstance(most, dict)
    assert set(most) == set(used)
    assert limits.total_loss_max / MONEY_ONE == most["total_loss"]
    assert limits.daily_loss_max / MONEY_ONE == most["daily_loss"]
    assert ("drawdown" in most) == (limits.drawdown_max is not None)
    assert 5.6 == used["total_loss"]
    assert 0.0 == used["daily_loss"]
    assert 1.0 == samples["kalshid_positions_open"]


def test_a_limit_that_is_off_has_no_series() -> None:
    """Neither a zero nor an infinity that was never configured."""
    subject = engine(Scripted())
    samples = risk_samples(subject)
    assert (subject.gathering.limits.exposure_max is None) == (
        "exposure" not in (samples["kalshid_risk_limit_dollars"] or {})  # type: ignore[operator]
    )


def test_a_halt_says_by_whom_in_few_words() -> None:
    """Every halter has its series at all times; one is 1 while it is halted, and a new one is "other"."""
    for by, shown in (("cli", "cli"), ("breaker drawdown", "breaker"), ("somebody", "other"), (None, None)):
        subject = lived()
        if by is not None:
            subject.state.halt("why", by)
        assert {name: float(name == shown) for name in HALTERS} == risk_samples(subject)["kalshid_halted"]


def test_the_oldest_unknown_order_is_told_by_its_instant() -> None:
    """Since when it is unknown, not how long; nothing at all while every order has an answer."""
    name = "kalshid_orders_unresolved_oldest_timestamp_seconds"
    assert risk_samples(lived())[name] is None
    strategy = Scripted()
    strategy.targets = (BUY,)
    subject = trading(strategy)
    (placed,) = [command for command in subject.decide(NOW) if isinstance(command, PlaceOrder)]
    subject.handle(e.OrderUnknown("place", placed.client_order_id, "timeout", LATER))
    assert LATER / 1e9 == risk_samples(subject)[name]


def test_the_disk_says_what_it_has_left(tmp_path: Path) -> None:
    """In bytes; None where the folder is gone."""
    left = disk_free(tmp_path / "journal")
    assert left is not None
    assert left > 0
    assert disk_free(tmp_path / "gone" / "journal") is None
