"""Every fault that the sandbox can make, and what the daemon does about it, over real sockets.

After each one the daemon must trade again by itself, and then its cash, positions and orders are held
against the exchange's, to the last unit: no order twice, none forgotten. `daemon/FAULTS.md` is the table of
these tests for people; `test_the_table_of_faults_is_whole` keeps it true.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from daemon.sandbox.faults.registry import FAULTS
from tests.e2e.daemon_process import ROOT
from tests.e2e.venue_rig import CONFIG, EVENT, VenueRig, venue_rig

TABLE = ROOT / "daemon/FAULTS.md"
ORDERS = "*/portfolio/events/orders*"
ORDER_CASES: tuple[dict[str, Any], ...] = (
    {"kind": "http_500", "when": "before"},
    {"kind": "http_500", "when": "after"},
    {"kind": "http_502", "when": "before"},
    {"kind": "http_502", "when": "after"},
    {"kind": "http_503", "when": "before"},
    {"kind": "http_503", "when": "after"},
    {"kind": "hang", "when": "before"},
    {"kind": "hang", "when": "after"},
    {"kind": "reset", "when": "before"},
    {"kind": "reset", "when": "after"},
    {"kind": "http_429"},
    {"kind": "lost_ack"},
    {"kind": "malformed_reply"},
    {"kind": "slow_reply", "ms": 1000},
    {"kind": "late_request", "ms": 4000},
)
FAST = CONFIG.replace("[orders]", "") + "[orders]\nrequests_per_s_max = 200\nin_flight_max = 32\n"


class Seen(NamedTuple):
    """What was counted before a fault, to see what it changed."""

    session: dict[str, int]
    core: dict[str, int]
    refusals: dict[str, int]

    @classmethod
    def of(cls, rig: VenueRig) -> Seen:
        """Count now."""
        return cls(dict(rig.counts), dict(rig.engine.state.counts), dict(rig.refusals))


def more(field: str, name: str) -> Callable[[Seen, Seen], bool]:
    """Whether a count has grown."""
    return lambda before, now: getattr(now, field).get(name, 0) > getattr(before, field).get(name, 0)


class StreamCase(NamedTuple):
    """A fault of the stream: what is injected, besides what, and what the daemon counts because of it."""

    rule: dict[str, Any]
    shows: Callable[[Seen, Seen], bool]
    besides: tuple[dict[str, Any], ...] = ()


DROPPED = more("core", "kalshi_drops")
CUT = {"kind": "cut", "stream": "kalshi", "next": 1}
STREAM_CASES: dict[str, StreamCase] = {
    "cut": StreamCase(CUT, DROPPED),
    "half_open": StreamCase({"stream": "kalshi"}, DROPPED),
    "refuse_upgrade": StreamCase({"stream": "kalshi", "next": 2}, DROPPED, (CUT,)),
    "refuse_connect": StreamCase({"ms": 1500}, DROPPED, (CUT,)),
    "delay": StreamCase(
        {"channel": "orderbook_delta", "ms": 1200, "next": 20}, more("refusals", "transport_lag")
    ),
    "drop": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "gaps")),
    "duplicate": StreamCase({"channel": "orderbook_delta", "next": 2}, more("session", "duplicates")),
    "reorder": StreamCase({"channel": "orderbook_delta", "next": 10}, more("session", "gaps")),
    "sequence_gap": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "gaps")),
    "stall": StreamCase({"stream": "kalshi", "for_ms": 20_000}, DROPPED),
    "slow_stream": StreamCase({"stream": "kalshi", "ms": 400}, DROPPED),
    "lost_command_ack": StreamCase({"next": 1}, DROPPED, (CUT,)),
    "command_error": StreamCase({"code": 18, "next": 1}, more("session", "error_18"), (CUT,)),
    "channel_error": StreamCase({"channel": "orderbook_delta"}, more("session", "error_10")),
    "drop_private": StreamCase({"next": 4}, lambda _before, _now: True),
    "malformed_json": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "refused")),
    "truncated_frame": StreamCase({"channel": "orderbook_delta", "next": 1}, DROPPED),
    "unknown_type": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "refused")),
    "missing_field": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "refused")),
    "absurd_numbers": StreamCase({"channel": "orderbook_delta", "next": 1}, more("session", "refused")),
    "clock_skew": StreamCase({"ms": 3000, "for_ms": 4000}, more("refusals", "clock_skew")),
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VenueRig]:
    """One sandbox and one set of the daemon's parts for all faults of the stream."""
    async with venue_rig(tmp_path_factory.mktemp("faults")) as made:
        yield made


async def inject(rig: VenueRig, rule: dict[str, Any]) -> int:
    """Begin a fault and return its number."""
    return int((await rig.call("/faults", **rule))["id"])


async def eventually(happened: Callable[[], Awaitable[bool]], what: str, within_s: float = 30.0) -> None:
    """Wait until something is true that has to be asked for."""
    try:
        async with asyncio.timeout(within_s):
            while not await happened():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"it did not come to this within {within_s:g} s: {what}") from None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", STREAM_CASES)
async def test_a_fault_of_the_stream_is_noticed_and_healed(rig: VenueRig, kind: str) -> None:
    """It is counted by its name; the daemon trades again by itself; then belief and truth are equal."""
    case = STREAM_CASES[kind]
    rig.strategy.is_quoting = True
    before = Seen.of(rig)
    id_ = await inject(rig, {"kind": kind, **case.rule})
    for rule in case.besides:
        await inject(rig, rule)

    async def has_hit() -> bool:
        # A fault of the venue as a whole has no hits: it is.
        return FAULTS[kind].seam == "venue" or await rig.hits(id_) > 0

    try:
        await eventually(has_hit, f"{kind} has hit")
        await rig.until(lambda: case.shows(before, Seen.of(rig)), f"{kind} is noticed", 30)
    finally:
        # Whatever came of it, the next fault meets a venue that is well.
        await rig.call("/faults/clear")
    await rig.until(lambda: rig.is_trading, f"it trades again after {kind}")
    await rig.agrees()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_quiet_market_is_no_silent_feed(rig: VenueRig) -> None:
    """Nothing but pongs and index values for longer than a connection may be silent: all is well."""
    rig.strategy.is_quoting = False
    before = Seen.of(rig)
    await asyncio.sleep(4.5)
    assert rig.is_trading
    assert before.core.get("kalshi_drops", 0) == rig.engine.state.counts["kalshi_drops"]
    rig.strategy.is_quoting = True


@pytest.mark.asyncio(loop_scope="module")
async def test_stale_reads_convince_nobody(rig: VenueRig) -> None:
    """Lists that stand still are older than what the stream told: nothing is closed or reopened by them."""
    findings = len(rig.engine.state.account.findings)
    id_ = await inject(rig, {"kind": "stale_read", "path": "*/portfolio/*", "for_ms": 3000})

    async def has_hit() -> bool:
        return await rig.hits(id_) > 3

    await eventually(has_hit, "reads were stale")
    await rig.call("/faults/clear")
    await rig.until(lambda: rig.is_trading, "it trades again")
    await rig.agrees()
    assert findings == len(rig.engine.state.account.findings)


async def test_whatever_becomes_of_a_request_there_is_one_order_or_none(tmp_path: Path) -> None:
    """Refused, lost before, lost after, hung, reset, answered with half a body: each in a market of its own.

    Unknown outcomes stay unknown until stream or lists tell; nothing new goes to their market before.
    """
    async with venue_rig(tmp_path, markets=len(ORDER_CASES), config_text=FAST, tier="prestige") as rig:
        rules = [
            {**case, "path": ORDERS, "method": "POST", "market": f"{EVENT}-M{number}", "next": 1}
            for number, case in enumerate(ORDER_CASES)
        ]
        ids = [await inject(rig, rule) for rule in rules]
        missing = set(ids)

        async def have_hit() -> bool:
            for id_ in list(missing):
                if await rig.hits(id_):
                    missing.discard(id_)
            return not missing

        # Failures in a row open the breaker, which probes and closes again: so it takes some seconds.
        await eventually(have_hit, "all faults have hit", 120)
        assert rig.replies.get("none", 0) > 0
        await rig.until(lambda: rig.is_trading, "it trades again", 90)
        await rig.agrees()
        assert rig.engine.state.counts["unknown_outcomes"] > 0


async def test_what_happens_to_a_market_under_an_open_order_is_followed(tmp_path: Path) -> None:
    """Closed, suspended, settled as the order is accepted; a fill told after its cancel: all is booked."""
    async with venue_rig(tmp_path, markets=5, config_text=FAST, tier="prestige") as rig:
        rules = [
            {"kind": kind, "market": f"{EVENT}-M{number}", "next": 1}
            for number, kind in enumerate(("market_closed", "market_paused", "market_settled"))
        ]
        rules.append({"kind": "fill_after_cancel", "next": 1, "ms": 700})
        ids = [await inject(rig, rule) for rule in rules]

        async def have_hit() -> bool:
            return all([await rig.hits(id_) for id_ in ids])

        await eventually(have_hit, "all faults have hit")
        await asyncio.sleep(1.0)
        await rig.call("/markets/activate", ticker=f"{EVENT}-M1")
        await rig.until(lambda: rig.is_trading, "it trades in what is left")
        await rig.agrees()
        assert "finalized" == rig.engine.state.markets[f"{EVENT}-M2"].spec.status


async def test_a_sandbox_that_is_killed_and_comes_back_has_forgotten_nothing(tmp_path: Path) -> None:
    """Killed (-9) right after it accepted an order, and started again: one order, and all agree."""
    async with venue_rig(tmp_path) as rig:
        await inject(rig, {"kind": "killed", "path": ORDERS, "method": "POST", "when": "after", "next": 1})
        await rig.until(lambda: rig.sandbox.has_ended, "the sandbox is dead")
        rig.sandbox.end(signal.SIGKILL)
        await rig.sandbox.start()
        await rig.quote(f"{EVENT}-M0")
        await rig.until(lambda: rig.is_trading, "it trades again", 90)
        await rig.agrees()


def test_the_table_of_faults_is_whole() -> None:
    """Each fault has a row with what the daemon does, and names a test that is there."""
    rows = dict(
        re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| `(test_\w+)` \|$", TABLE.read_text(), re.MULTILINE)
    )
    assert set(FAULTS) <= set(rows)
    assert all(name in globals() for name in rows.values()), rows
    order_kinds = {case["kind"] for case in ORDER_CASES}
    assert set(STREAM_CASES) | order_kinds <= set(rows)
