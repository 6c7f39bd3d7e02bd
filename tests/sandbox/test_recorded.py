"""Requests recorded on the venue's demo in June 2026, replayed against the sandbox in the same state.

Each gets the status, the shape and the code that was recorded, and, but for ids, times and free text, the
same numbers: balance, fees, costs, queue. What the venue changed since stands in `NEW` and `GONE`, with the
sheet's reference.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.markets import Fees, MarketSpec
from daemon.core.units import DAY, MINUTE, MONEY_ONE, BookSide, Ns, Price, Qty, parse_instant
from daemon.exchange.facts import Traded
from daemon.exchange.requests import NewOrder
from daemon.exchange.tick_tables import LINEAR_CENT
from daemon.sandbox.cutoff import CutoffRule
from daemon.sandbox.flow import History
from daemon.sandbox.limits import Tier
from tests.sandbox.running import Client, running
from tests.sandbox.scripted import MAKER, ScriptedFlow
from tests.sandbox.wire import order_terms

_FOLDER = Path(__file__).parents[2] / "../shared/fixtures/kalshi/demo_2026-06"
TICKER = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
GOLF = "KXPGATOUR-USO26-JDAY"

# Path of a field → why ours has it and the recording doesn't.
NEW = {
    r"(orders?|fills|market_positions)\[?\]?\.exchange_index": "4.9: shards, added after June",
    r"markets?(\[\])?\.exchange_index": "4.9: shards, added after June",
    r"markets?(\[\])?\.settlement_bounds_type": "4.2: added later",
    r"exchange_index_statuses(\[\].*)?|intra_exchange_transfers_active": "4.1: shards, added after June",
    r"client_order_id": "4.6: optional in the reply to a cancel",
}
# Path of a field → why the recording has it and ours doesn't.
GONE = {
    r"error\.service": "4.5: removed on 6 August 2026",
    r"markets?(\[\])?\.liquidity_dollars": "4.2: gone",
    r"markets?(\[\])?\.(fractional_trading_enabled|response_price_units)": "3.5: every market is both now",
    r"market_positions\[\]\.resting_orders_count": "Appendix B: no longer a field",
    r"markets?(\[\])?\.(early_close_condition|custom_strike(\..*)?|primary_participant_key)": (
        "4.2: optional, left out where empty, and it describes a sport"
    ),
    r"markets?(\[\])?\.(floor_strike|cap_strike|strike_type|mve_.*|is_provisional|subtitle)": (
        "4.2: optional, left out where empty: the sandbox's market is no such one"
    ),
}
# What is an id, a time, or text of its own: its value is not compared.
OWN_VALUES = re.compile(
    r"(^|\.)(order_id|trade_id|fill_id|user_id|cursor|ts|ts_ms|\w+_(time|ts|datetime)|title|\w*sub_title"
    r"|rules_\w+|updated_ts)$"
)
# Path of a field → why its value is another here.
OTHER_FIELDS = {
    r"market\.volume_24h_fp": "the venue's own count was a trade behind its volume_fp",
    r"market\.settlement_timer_seconds": "the series' own; the sandbox settles all within a second or so",
}
# Recording → why its values, unlike its shape, are not the sandbox's to repeat.
OTHER_VALUES = {
    "markets__garbage_cursor": "other markets",
    "markets__page1": "other markets",
}


class Recording(msgspec.Struct, frozen=True):
    """One recorded request and its reply."""

    name: str
    method: str
    path: str
    status: int
    auth: str
    body: Any
    request_body: dict[str, Any] | None
    at: int


def recordings() -> list[Recording]:
    """Return the recorded requests in the order of their recording; none where the fixtures are absent."""
    found = []
    for path in sorted(_FOLDER.glob("*.meta.json")):
        name = path.name.removesuffix(".meta.json")
        meta = json.loads(path.read_text())
        if name.startswith("ws__"):
            continue
        body = json.loads((_FOLDER / f"{name}.json").read_text())
        # The public trades were taken days later, and have no such stamp.
        at = meta.get("recorded_at_epoch_ms", 1 << 62)
        request = meta.get("request_body")
        found.append(
            Recording(name, meta["method"], meta["path"], meta["status"], meta["auth"], body, request, at)
        )
    return sorted(found, key=lambda recording: recording.at)


def shape(value: object, where: str = "") -> set[tuple[str, str]]:
    """Return every field's path with the type of its value; the entries of a list are one."""
    if isinstance(value, dict):
        return set().union(*(shape(entry, f"{where}.{name}".lstrip(".")) for name, entry in value.items()))
    if isinstance(value, list):
        return {(where, "list")}.union(*(shape(entry, f"{where}[]") for entry in value))
    kind = (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
    return {(where, kind)}


def values(value: object, where: str = "") -> dict[str, object]:
    """Return every value by its path, but those that are each side's own."""
    if isinstance(value, dict):
        items = [(f"{where}.{name}".lstrip("."), entry) for name, entry in value.items()]
    elif isinstance(value, list):
        items = [(f"{where}[{index}]", entry) for index, entry in enumerate(value)]
    else:
        return {} if OWN_VALUES.search(where) else {where: value}
    return {path: leaf for name, entry in items for path, leaf in values(entry, name).items()}


def is_known(path: str, changes: dict[str, str], used: set[str]) -> bool:
    """Whether a change is in a table; what was needed of it is noted in `used`."""
    found = [pattern for pattern in changes if re.fullmatch(pattern, path)]
    used.update(found)
    return bool(found)


def spec_of(ticker: str, now: Ns) -> MarketSpec:
    event, series = ticker.rpartition("-")[0], ticker.partition("-")[0]
    fees = Fees("quadratic", MONEY_ONE)
    times = (now - MINUTE, now + 14 * DAY)
    return MarketSpec(ticker, event, series, "", "initialized", *times, None, None, LINEAR_CENT, fees, 0)


class DemoFlow(ScriptedFlow):
    """Lists nothing by itself, and knows the golf trades that were recorded."""

    def history(self) -> History:
        recorded = json.loads((_FOLDER / "trades__public_recorded.json").read_text())["trades"]
        trades = tuple(
            Traded(
                GOLF,
                found["trade_id"],
                round(float(found["yes_price_dollars"]) * 10_000),
                round(float(found["count_fp"]) * 100),
                found["taker_outcome_side"],
                parse_instant(found["created_time"]),
            )
            for found in reversed(recorded)
        )
        # The recording ends with a cursor: there was one more.
        older = msgspec.structs.replace(trades[0], trade_id="older", at=trades[0].at - MINUTE)
        return History({}, (older, *trades), (), ())


async def bring_into_state(client: Client) -> None:
    """Let the account hold what it held: two contracts bought at 0.99 out of 100 $, a book of 3 and 3."""
    venue = client.sandbox.venue
    now = venue.clock.now()
    # What was recorded in June shall still be live.
    venue.chronicle.cutoff = CutoffRule(10_000 * DAY)
    for ticker in (TICKER, GOLF, *(f"KXOTHER-26JUN11-{number}" for number in range(5))):
        venue.tell([*venue.exchange.list_market(spec_of(ticker, now), now)])

    def quote(side: BookSide, price: Price, qty: Qty) -> None:
        _, told = venue.exchange.place(NewOrder(MAKER, TICKER, side, price, qty), now)
        venue.tell([*told])

    quote("ask", 9900, 200)
    for _ in range(2):
        terms = order_terms(
            ticker=TICKER, price="0.9900", count="1.00", time_in_force="immediate_or_cancel", exchange_index=0
        )
        status, body = await client.call("POST", "/portfolio/events/orders", terms)
        assert (201, "1.00") == (status, body["fill_count"])
    quote("bid", 4700, 300)
    quote("ask", 5200, 300)


async def replay(client: Client, recording: Recording, ids: dict[str, str]) -> tuple[int, Any]:
    """Send a recorded request, signed as it was then, about our orders in place of the recorded ones."""
    path, _, query = recording.path.removeprefix("/trade-api/v2").partition("?")
    for recorded, own in ids.items():
        path = path.replace(recorded, own)
    headers = client.headers(recording.method, path)
    if recording.auth == "bad-signature":
        headers = client.headers(recording.method, f"{path}/other")
    elif recording.auth == "missing-signature-header":
        del headers["KALSHI-ACCESS-SIGNATURE"]
    elif recording.auth != "signed":
        headers = {}
    url = f"{client.ready.rest_url}{path}?{query}"
    body = recording.request_body
    async with client.http.request(recording.method, url, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def test_every_recorded_request_gets_what_it_got(tmp_path: Path) -> None:
    """Status, code, shape, and the numbers, to the last hundredth of a cent."""
    listed = recordings()
    if not listed:
        pytest.skip("FIXTURES ABSENT: the recorded demo requests do not lie beside the checkout")
    assert 20 == len(listed)
    ids: dict[str, str] = {}
    used: set[str] = set()
    cash = {0: 100 * MONEY_ONE}
    tier = Tier("basic", 200, 100, 1)
    async with asyncio.timeout(60), running(tmp_path, DemoFlow, cash=cash, tier=tier) as client:
        await bring_into_state(client)
        for recording in listed:
            name = recording.name
            status, body = await replay(client, recording, ids)
            assert recording.status == status, f"{name}: {body}"
            if recording.method == "POST" and status == 201:
                ids[recording.body["order_id"]] = body["order_id"]
            ours, theirs = shape(body), shape(recording.body)
            assert set() == {path for path, _ in ours - theirs if not is_known(path, NEW, used)}, name
            assert set() == {path for path, _ in theirs - ours if not is_known(path, GONE, used)}, name
            if name not in OTHER_VALUES:
                found = values(body)
                expected = {
                    path: value
                    for path, value in values(recording.body).items()
                    if not is_known(re.sub(r"\[\d+\]", "[]", path), GONE | OTHER_FIELDS, used)
                }
                assert expected == {path: value for path, value in found.items() if path in expected}, name
    # A change that no recording shows any more is no reason for anything.
    assert set() == {*NEW, *GONE, *OTHER_FIELDS} - used


async def test_a_garbage_cursor_is_the_first_page(tmp_path: Path) -> None:
    """As recorded: both replies are the same body."""
    by_name = {recording.name: recording for recording in recordings()}
    if not by_name:
        pytest.skip("FIXTURES ABSENT: the recorded demo requests do not lie beside the checkout")
    assert by_name["markets__garbage_cursor"].body == by_name["markets__page1"].body
    async with asyncio.timeout(20), running(tmp_path, DemoFlow) as client:
        await bring_into_state_of_markets(client)
        replies = [
            await replay(client, by_name[name], {}) for name in ("markets__garbage_cursor", "markets__page1")
        ]
        assert replies[0] == replies[1]


async def bring_into_state_of_markets(client: Client) -> None:
    """List six markets, so that five are a page."""
    venue = client.sandbox.venue
    now = venue.clock.now()
    for number in range(6):
        venue.tell([*venue.exchange.list_market(spec_of(f"KXOTHER-26JUN11-{number}", now), now)])
