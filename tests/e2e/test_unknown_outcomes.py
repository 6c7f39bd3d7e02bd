"""Requests whose outcome nobody tells, over real sockets: one order or none, never two, known within seconds.

The sandbox accepts an order and resets the connection, or answers an error, half an answer, nothing; or it
does so and has not accepted it. Each time the order is unknown to the daemon until stream, probe or lists
have told, nothing new goes to its market before, and what it then believes is what the exchange has.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from daemon.core.commands import Command, PlaceOrder
from daemon.core.events import Event, OrderUnknown
from daemon.core.orders import Order
from daemon.core.units import SECOND, Ns
from daemon.kalshi.bodies import OrderRecord
from tests.e2e.venue_rig import CONFIG, EVENT, VenueRig, venue_rig

PLACE = {"method": "POST", "path": "*/portfolio/events/orders"}
CANCEL = {"method": "DELETE", "path": "*/portfolio/events/orders/*"}
BATCH = {"method": "POST", "path": "*/portfolio/events/orders/batched", "market": None}
AMEND = {"method": "POST", "path": "*/portfolio/events/orders/*/amend"}
ARRIVED: tuple[dict[str, Any], ...] = (
    {"kind": "http_500", "when": "after"},
    {"kind": "http_503", "when": "after"},
    {"kind": "hang", "when": "after"},
    {"kind": "lost_ack"},
    {"kind": "malformed_reply"},
)
NEVER_ARRIVED: tuple[dict[str, Any], ...] = (
    {"kind": "http_500", "when": "before"},
    {"kind": "http_503", "when": "before"},
    {"kind": "hang", "when": "before"},
    {"kind": "reset", "when": "before"},
)
LATE: tuple[dict[str, Any], ...] = (
    {"kind": "late_request", "ms": 2_500},
    {"kind": "late_request", "ms": 4_500},
)
"""Given up after 2 s, and probed for a second later: the order comes before its probe, or behind it."""
RESET: dict[str, Any] = {"kind": "reset", "when": "after"}
MARKETS = 11
"""Odd, so that others trade with our bids and asks in each; a round hits each market once."""
NEWS_WITHIN_S = 20.0
"""Far below the 35 s after which a list that lacks an order proves that it never arrived."""
QUICK = (
    CONFIG.replace("orders_per_minute_max = 1000", "orders_per_minute_max = 100000")
    .replace("[risk]", "[risk]\nrequests_per_minute_max = 100000")
    # What fails here on purpose is no venue that fails: the breakers would stop what is to be tried.
    .replace("[breaker]", "[breaker]\nfailures_max = 100\nrejects_max = 100\nack_p95_max_ms = 60000")
    + "[orders]\nrequests_per_s_max = 200\nin_flight_max = 32\nbatch_max = 1\n"
)


class Doubt(NamedTuple):
    """An order that was unknown: since when, and from when on not any more."""

    order: Order
    since: Ns
    until: Ns

    @property
    def name(self) -> str:
        """The client order id."""
        return self.order.client_order_id


class Witness:
    """Sees every step of the core, between its beliefs and the queue: what is unknown, and what is sent."""

    def __init__(self, rig: VenueRig, monkeypatch: pytest.MonkeyPatch) -> None:
        self._engine = rig.engine
        self._decide: Callable[[Ns], list[Command]] = rig.engine.decide
        self._handle: Callable[[Event], None] = rig.engine.handle
        self._unknown: dict[str, tuple[Order, Ns]] = {}
        self.actions: dict[str, str] = {}
        """By order: which request of it had no outcome."""
        self.doubts: list[Doubt] = []
        self.sent_into_doubt: list[PlaceOrder] = []
        """New orders for a market that had an order of unknown outcome."""
        monkeypatch.setattr(rig.engine, "decide", self.decide)
        monkeypatch.setattr(rig.engine, "handle", self.handle)

    @property
    def is_clear(self) -> bool:
        """Whether the outcome of everything is known."""
        return not self._unknown

    def handle(self, event: Event) -> None:
        """Let the core take in a fact, and look at what it then doesn't know."""
        if isinstance(event, OrderUnknown):
            self.actions[event.client_order_id] = event.action
        self._handle(event)
        now = time.time_ns()
        for name, order in self._engine.state.orders.items():
            if order.state == "unknown" and name not in self._unknown:
                self._unknown[name] = (order, now)
        for name, (order, since) in list(self._unknown.items()):
            if order.state != "unknown":
                self.doubts.append(Doubt(order, since, now))
                del self._unknown[name]

    def decide(self, now: Ns) -> list[Command]:
        """Let the core decide, and look at where it sends something new."""
        markets = {order.ticker for order, _ in self._unknown.values()}
        commands = self._decide(now)
        self.sent_into_doubt += [
            command for command in commands if isinstance(command, PlaceOrder) and command.ticker in markets
        ]
        return commands


async def play(rig: VenueRig, witness: Witness, rules: list[dict[str, Any]], *, is_deaf: bool) -> None:
    """Let each rule hit once in a market of its own, and wait until the outcome of everything is known.

    `is_deaf`: the private stream does not tell of orders meanwhile, so that only probes and lists can.
    """
    deaf = None
    if is_deaf:
        deaf = (await rig.call("/faults", kind="drop_private", channel="user_orders"))["id"]
    ids = [
        (await rig.call("/faults", **{"market": f"{EVENT}-M{number}", **rule, "next": 1}))["id"]
        for number, rule in enumerate(rules)
    ]
    async with asyncio.timeout(60):
        for id_ in ids:
            while not await rig.hits(id_):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    if deaf is not None:
        await rig.call("/faults/clear", id=deaf)
    if any(rule["kind"] in ("hang", "late_request") for rule in rules):
        await asyncio.sleep(2.2)  # what is not answered is given up after 2 s
    await rig.until(lambda: witness.is_clear, "every outcome is known", NEWS_WITHIN_S)
    await rig.until(lambda: rig.is_trading, "it trades again", NEWS_WITHIN_S)


def is_true(order: Order, records: list[OrderRecord]) -> bool:
    """Whether our last word on an order is the exchange's; one that never came is a probe at most."""
    if order.state == "rejected":
        return all(record.status == "canceled" and not record.order.filled for record in records)
    return [(order.state, order.filled)] == [(record.status, record.order.filled) for record in records]


async def settle(rig: VenueRig, witness: Witness) -> dict[str, list[OrderRecord]]:
    """Hold all beliefs against the exchange; return its orders by our id."""
    await rig.agrees()
    rig.strategy.is_quoting = False
    await rig.until(lambda: not rig.engine.state.orders, "no order is left")
    await asyncio.sleep(0.6)  # the lists at the venue run behind
    records: dict[str, list[OrderRecord]] = {}
    for record in await rig.rest.order_records():
        records.setdefault(record.order.client_order_id, []).append(record)
    wrong = [doubt.order for doubt in witness.doubts if not is_true(doubt.order, records.get(doubt.name, []))]
    assert [] == [(order.client_order_id, order.state, order.filled) for order in wrong]
    assert [] == witness.sent_into_doubt
    assert len(records) <= rig.engine.orders_total, "more orders than intents"
    rig.strategy.is_quoting = True
    return records


def told_in(doubts: list[Doubt]) -> str:
    """How long they were in doubt."""
    seconds = [(doubt.until - doubt.since) / SECOND for doubt in doubts]
    if not seconds:
        return "none in doubt"
    p50, longest = statistics.median(seconds), max(seconds)
    return f"{len(seconds)} in doubt, known after p50 {p50:.2f} s, max {longest:.2f} s"


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Print a figure, also where the test passes."""
    with capsys.disabled():
        sys.stdout.write(f"\n{line}\n")


async def accepted_and_reset(
    folder: Path, rounds: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orders are accepted and their connections reset: so many rounds with the stream, so many without."""
    async with venue_rig(folder, markets=MARKETS, config_text=QUICK, tier="prestige") as rig:
        witness = Witness(rig, monkeypatch)
        for number in range(2 * rounds):
            await play(rig, witness, [{**RESET, **PLACE}] * MARKETS, is_deaf=number % 2 == 1)
        records = await settle(rig, witness)
        reset = [name for name, action in witness.actions.items() if action == "place"]
        once = [name for name in reset if len(records.get(name, [])) == 1]
        wanted = 2 * rounds * MARKETS
        line = f"accepted, then reset: exactly one order {len(once)} of {wanted}"
        say(capsys, f"{line}; {told_in(witness.doubts)}")
        assert wanted == len(reset)
        assert reset == once
        # Where the stream kept silent, nobody could know at first.
        assert len(witness.doubts) > rounds * MARKETS // 2


async def test_an_order_accepted_before_a_reset_is_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exchange has it exactly once, and the daemon believes of it what the exchange has."""
    await accepted_and_reset(tmp_path, 1, monkeypatch, capsys)


@pytest.mark.full
async def test_200_orders_accepted_before_a_reset_are_200_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same, more often than 200 times."""
    await accepted_and_reset(tmp_path, 10, monkeypatch, capsys)


async def without_an_answer(
    folder: Path,
    rounds: int,
    rules: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each rule hits so often, half of the times with the stream kept from telling."""
    async with venue_rig(folder, markets=MARKETS, config_text=QUICK, tier="prestige") as rig:
        witness = Witness(rig, monkeypatch)
        for number in range(rounds):
            await play(rig, witness, rules, is_deaf=number % 2 == 0)
        await settle(rig, witness)
        ends = Counter(doubt.order.state for doubt in witness.doubts)
        actions = Counter(witness.actions.values())
        say(capsys, f"no answer to {dict(actions)}: {told_in(witness.doubts)}; ended {dict(ends)}")
        assert witness.doubts
        assert rounds * sum(rule["path"] == PLACE["path"] for rule in rules) <= actions["place"]


@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.full)])
async def test_whether_an_order_arrived_is_soon_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rounds: int
) -> None:
    """Errors, half an answer or none, before or after it was taken, or taken late: probes or lists tell."""
    rules = [{**rule, **PLACE} for rule in (*ARRIVED, *NEVER_ARRIVED, *LATE)]
    await without_an_answer(tmp_path, rounds, rules, monkeypatch, capsys)


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.full)])
async def test_whether_an_order_was_changed_or_cancelled_is_soon_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rounds: int
) -> None:
    """Of an order that was known to rest the lists tell, on which terms or how it ended."""
    kinds = (RESET, {**RESET, "when": "before"}, *ARRIVED[:1], *NEVER_ARRIVED[:1])
    rules = [{**kind, **asked} for asked in (CANCEL, AMEND) for kind in kinds]
    await without_an_answer(tmp_path, rounds, rules, monkeypatch, capsys)


@pytest.mark.parametrize("rounds", [1, pytest.param(4, marks=pytest.mark.full)])
async def test_a_batch_without_an_answer_is_orders_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rounds: int
) -> None:
    """Each order of it is asked after for itself, whether all of them arrived or none."""
    config = QUICK.replace("batch_max = 1", "batch_max = 10")
    kinds = (RESET, NEVER_ARRIVED[-1]) if rounds == 1 else (RESET, *ARRIVED, *NEVER_ARRIVED)
    async with venue_rig(tmp_path, markets=MARKETS, config_text=config, tier="prestige") as rig:
        witness = Witness(rig, monkeypatch)
        for number in range(rounds):
            for kind in kinds:
                await play(rig, witness, [{**kind, **BATCH}], is_deaf=number % 2 == 0)
        await settle(rig, witness)
        asked = sum(action == "place" for action in witness.actions.values())
        say(
            capsys, f"no answer to {rounds * len(kinds)} batches of {asked} orders: {told_in(witness.doubts)}"
        )
        assert asked > rounds * len(kinds)
