"""Money that moves without a fill: corrections are booked once, sums are tied out, flows explain once."""

from __future__ import annotations

import pytest

from daemon.core import events as e
from daemon.core.findings import Drift, Finding, FindingLog
from daemon.core.ledger import Ledger
from daemon.core.settling import CORRECTED_MAX, FLOW_MARGIN, CashFlows, Settling
from daemon.core.units import MONEY_ONE, PRICE_ONE
from tests.core.test_ledger import CASH, fill, told
from tests.core.worlds import T0

FEES = 700


def paid_out(price: int = PRICE_ONE, side: str = "bid") -> Ledger:
    """A ledger whose 5 contracts at 0.40 were paid out."""
    ledger = Ledger()
    ledger.adopt(told(CASH))
    ledger.apply_fill(fill("1", side, 4_000, 500, FEES))  # type: ignore[arg-type]
    ledger.settle("M", price)
    return ledger


def listed(revenue: int, fees: int = FEES, price: int | None = PRICE_ONE) -> e.SettlementsRead:
    """A reading of the settlements."""
    return e.SettlementsRead(T0, T0, (e.SettlementTold("M", price, revenue, fees, T0),))


@pytest.mark.parametrize(
    ("side", "new", "change"),
    [("bid", 0, -5_000_000), ("bid", 3_333, -3_333_500), ("ask", 0, 5_000_000), ("ask", 2_500, 3_750_000)],
)
def test_a_correction_books_the_difference_exactly_and_once(side: str, new: int, change: int) -> None:
    """YES and NO, all of it or a scalar value: as if the last word had been the first."""
    ledger, log, subject = paid_out(side=side), FindingLog(), Settling()
    twin = paid_out(new, side)
    event = e.SettlementCorrected("M", new, T0)
    assert [change, None] == [subject.correct(log, ledger, event) for _ in range(2)]
    assert (twin.cash, twin.realized, twin.paid) == (ledger.cash, ledger.realized, ledger.paid)
    assert [Finding("settlement", "M", PRICE_ONE, new, T0, "correct")] == log.latest


def test_a_dispute_is_found_once_and_ends_with_the_correction() -> None:
    """The stream told another result before: that was the finding."""
    ledger, log, subject = paid_out(), FindingLog(), Settling()
    for _ in range(2):
        subject.dispute(log, "M", PRICE_ONE, 0, T0)
    assert {"M": 0} == subject.disputed
    subject.correct(log, ledger, e.SettlementCorrected("M", 0, T0))
    assert (1, {}) == (log.total, subject.disputed)


def test_a_correction_of_what_was_never_paid_to_us_is_nothing() -> None:
    """The lists of the start had it right."""
    ledger, log = Ledger(), FindingLog()
    ledger.adopt(told(CASH))
    assert Settling().correct(log, ledger, e.SettlementCorrected("M", 0, T0)) is None
    assert (CASH, 0) == (ledger.cash, log.total)


def test_the_cash_of_a_correction_may_be_late_or_early() -> None:
    """For a quarter of an hour a difference of just that sum is explained; no other one is."""
    ledger, subject = paid_out(), Settling()
    subject.correct(FindingLog(), ledger, e.SettlementCorrected("M", 0, T0))
    believed = ledger.cash or 0

    def drift(difference: int) -> list[Drift]:
        return [Drift("cash_drift", "cash", believed, believed + difference)]

    cases = [(5_000_000, T0), (-5_000_000, T0), (4_999_999, T0), (5_000_000, T0 + CORRECTED_MAX)]
    assert ["not yet paid", "paid before", None, None] == [
        subject.explain(drift(difference), at) for difference, at in cases
    ]


def test_positions_are_never_explained_by_cash() -> None:
    """Whatever was corrected."""
    ledger, subject = paid_out(), Settling()
    subject.correct(FindingLog(), ledger, e.SettlementCorrected("M", 0, T0))
    assert subject.explain([Drift("position_drift", "M", 1, 0)], T0) is None


def test_settlements_that_are_as_booked_are_no_finding() -> None:
    """Read as often as may be; the venue cuts revenue to cents."""
    ledger, log, subject = paid_out(), FindingLog(), Settling()
    for revenue in (5 * MONEY_ONE, 5 * MONEY_ONE - 9_999) * 2:
        subject.compare(log, ledger, listed(revenue))
    assert [] == log.latest


def test_another_sum_that_two_readings_show_is_a_finding_once() -> None:
    """The first reading may be older than what we know."""
    ledger, log, subject = paid_out(), FindingLog(), Settling()
    subject.compare(log, ledger, listed(4 * MONEY_ONE))
    assert [] == log.latest
    for _ in range(3):
        subject.compare(log, ledger, listed(4 * MONEY_ONE))
    assert [Finding("settlement", "M revenue", 5 * MONEY_ONE, 4 * MONEY_ONE, T0, "halt")] == log.latest


def test_other_fees_are_reported() -> None:
    """They are in the cash already: nothing halts for it."""
    ledger, log, subject = paid_out(), FindingLog(), Settling()
    for _ in range(2):
        subject.compare(log, ledger, listed(5 * MONEY_ONE, fees=FEES + 1))
    assert [Finding("settlement", "M fees", FEES, FEES + 1, T0, "correct")] == log.latest


def test_settlements_of_other_lives_and_corrections_are_not_compared() -> None:
    """The ones we never booked; the others have an event of their own."""
    log = FindingLog()
    for ledger, price in ((Ledger(), PRICE_ONE), (paid_out(), 0)):
        subject = Settling()
        for _ in range(2):
            subject.compare(log, ledger, listed(1, price=price))
    assert [] == log.latest


def missing(amount: int) -> Drift:
    """So much less cash than booked."""
    return Drift("cash_drift", "cash", CASH, CASH - amount)


def flows(*amounts: int, at: int = T0, fee: int = 0) -> CashFlows:
    """The lists of flows, read after the cash last agreed at T0."""
    subject = CashFlows()
    subject.agree(T0)
    rows = tuple(e.CashFlow(str(number), amount, fee, at) for number, amount in enumerate(amounts))
    subject.take(e.CashFlowsRead(T0, T0, rows))
    return subject


def test_a_withdrawal_explains_missing_cash_once() -> None:
    """With its fee or without; one of several, or all together."""
    assert [True, False] == [flow.explain(missing(500)) for flow in [flows(-500)] * 2]
    assert flows(-500, fee=7).explain(missing(507))
    assert flows(-500, -300).explain(missing(300))
    assert flows(-500, 200).explain(missing(300))


def test_what_is_old_or_another_sum_explains_nothing() -> None:
    """It was in the cash when that last agreed."""
    assert not flows(-500, at=T0 - FLOW_MARGIN - 1).explain(missing(500))
    assert not flows(-500).explain(missing(501))
    assert not flows().explain(missing(1))


def test_the_lists_are_wanted_only_while_cash_is_missing() -> None:
    """A deposit needs no explanation."""
    subject = CashFlows()
    subject.miss([Drift("cash_drift", "cash", 1, 2), Drift("position_drift", "M", 2, 1)], T0)
    assert subject.missing_at is None
    subject.miss([missing(1)], T0)
    assert T0 == subject.missing_at
    subject.agree(T0 + 1)
    assert subject.missing_at is None
