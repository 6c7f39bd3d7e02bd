"""What the store keeps, a struct per table. A field is a column of the same name.

Units are the core's: Price 1e-4 $, Qty 0.01 contract, Money 1e-6 $, instants and durations in ns. Every row
has the epoch of its run besides, which the store adds.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from daemon.core.units import Money, Ns, Price, Qty


class _Row(msgspec.Struct, frozen=True, gc=False):
    """What all rows share."""


class Run(_Row, frozen=True):
    """One life of the daemon, when it began. The fingerprints say what may be compared with what.

    `strategies` is a JSON list of the enabled ones, each with the fingerprint of its series and parameters.
    """

    at: Ns
    mode: str
    version: str
    strategies: str
    model_sha256: str
    limits_hash: str
    config_sha256: str


class RunEnd(_Row, frozen=True):
    """The end of a life; a life that was killed has none."""

    at: Ns
    reason: str
    exit_code: int


class ApiCall(_Row, frozen=True):
    """One request to the venue. Never headers, bodies or signatures. `status` is NULL when no answer came.

    `tokens` is by the venue's price list; NULL for a batch, which costs the sum of its orders.
    """

    at: Ns
    method: str
    path: str
    status: int | None
    latency: Ns
    tokens: int | None


class Intent(_Row, frozen=True):
    """What was decided of an order, before it was sent. `action`: place, amend, cancel, probe, withdraw."""

    at: Ns
    client_order_id: str
    action: str
    ticker: str
    side: str | None
    price: Price | None
    qty: Qty | None
    style: str | None
    purpose: str | None
    strategy: str | None
    reason: str
    score: float | None


class OrderChange(_Row, frozen=True):
    """An order's state became another one; `told_by` is the fact that said so."""

    at: Ns
    client_order_id: str
    order_id: str | None
    ticker: str
    state: str
    filled: Qty
    told_by: str


class Fill(_Row, frozen=True):
    """One fill, once. `fee_predicted` is by our own fee rule, NULL where the market's is not known.

    `price` is the YES price. `mid` is the book's when we heard of it; NULL when that had no two sides, or we
    heard of it more than a second later.
    """

    at: Ns
    trade_id: str
    order_id: str
    client_order_id: str | None
    ticker: str
    side: str
    price: Price
    qty: Qty
    fee: Money
    fee_predicted: Money | None
    is_taker: int
    mid: Price | None


class Mark(_Row, frozen=True):
    """Where the mid stood some time after a fill: the mark-out. `at` is when it was looked at.

    NULL when the book had no two sides; the settlement price once that is known.
    """

    at: Ns
    trade_id: str
    order_id: str
    after: Ns
    mid: Price | None


class Settlement(_Row, frozen=True):
    """A position was paid out at `price` per YES contract. A correction is a row of its own, and holds.

    What was paid out while no daemon ran has none.
    """

    at: Ns
    ticker: str
    price: Price
    qty: Qty
    revenue: Money
    fees: Money


class PositionPoint(_Row, frozen=True):
    """A position after it changed, and at the start of a run: signed YES contracts."""

    at: Ns
    ticker: str
    qty: Qty
    cost: Money
    realized: Money
    fees: Money


class EquityPoint(_Row, frozen=True):
    """The account every 10 s while it is reconciled: cash, equity at marks, the most that it could lose.

    `realized` and `fees` are those of the run. `phase` says whether it traded.
    """

    at: Ns
    cash: Money
    equity: Money
    worst_loss: Money
    realized: Money
    fees: Money
    phase: str


class Finding(_Row, frozen=True):
    """A belief that the venue did not share, in the units of its subject, and the rule that was followed."""

    at: Ns
    kind: str
    subject: str
    believed: int | None
    told: int | None
    rule: str


class RefusalCount(_Row, frozen=True):
    """How often a strategy began to be refused in a market for a reason, in the minute that begins at `at`.

    A refusal that stands, tick after tick, began once.
    """

    at: Ns
    ticker: str
    strategy: str
    name: str
    count: int


class ModelSwap(_Row, frozen=True):
    """Another model scored from here on in a slot. The run says which ones scored at its beginning."""

    at: Ns
    slot: str
    name: str
    version: str
    sha256: str


class ConfigReload(_Row, frozen=True):
    """Other limits or strategies from here on. The run says what was in force at its beginning."""

    at: Ns
    config_sha256: str


class JudgedMarket(_Row, frozen=True):
    """How the default model's scores did in a market that has ended, beside its mid and the challenger's.

    `model`, `mid` and `challenger` are mean Brier scores over so many instants, at most one a second;
    `outcome` is what one YES contract paid, in dollars.
    """

    at: Ns
    ticker: str
    instants: int
    outcome: float
    model: float
    mid: float
    challenger: float | None


class Halt(_Row, frozen=True):
    """A halt asked for, latched or lifted, a resumption, a wish to be flat (`kind`), by whom and why."""

    at: Ns
    kind: str
    reason: str
    told_by: str


class BreakerChange(_Row, frozen=True):
    """A breaker opened, half opened or closed; `subject` is what it stops: a market, an event, ..."""

    at: Ns
    name: str
    subject: str
    state: str
    reason: str


Row: TypeAlias = (
    Run
    | RunEnd
    | ApiCall
    | Intent
    | OrderChange
    | Fill
    | Mark
    | Settlement
    | PositionPoint
    | EquityPoint
    | Finding
    | RefusalCount
    | Halt
    | ModelSwap
    | ConfigReload
    | JudgedMarket
    | BreakerChange
)

TABLES: dict[type[Row], str] = {
    Run: "runs",
    RunEnd: "run_ends",
    ApiCall: "api_calls",
    Intent: "intents",
    OrderChange: "order_changes",
    Fill: "fills",
    Mark: "marks",
    Settlement: "settlements",
    PositionPoint: "positions",
    EquityPoint: "equity",
    Finding: "findings",
    RefusalCount: "refusals",
    Halt: "halts",
    ModelSwap: "model_swaps",
    ConfigReload: "config_reloads",
    JudgedMarket: "judged_markets",
    BreakerChange: "breakers",
}
"""Which table keeps which row."""
