"""The answers in words: what a person reads of a tally and of an order's life."""

from __future__ import annotations

from daemon.core import events as e
from daemon.core.commands import CancelOrder, ProbeOrder, WithdrawOrder
from daemon.core.explaining import Reason
from daemon.core.strategy import Target
from daemon.core.units import SECOND
from daemon.shell.order_checks import Check
from daemon.shell.order_story import Judged, OrderStory, Result, Seen, Told
from daemon.shell.retold_words import chain_lines, clock, dollars, life_lines
from daemon.shell.why import NearMiss, ReasonCount, StrategyChain
from tests.core.worlds import NOW, TICKER
from tests.shell.test_order_story import trail_of
from tests.shell.test_order_trail import ENDED, FILL

REASON = ReasonCount("edge", 3, "edge 0.4c below cost 1.1c", NOW, NOW)
SEEN = Seen(
    ((4_000, 100),), (), 12_000_000, 60_000_000_000, {"mid": 0.41, "ofi_60s": None}, 0.44, "demo/1", 0, 0,
    10_000_000, None,
)  # fmt: skip


def test_a_chain_says_where_it_ended_and_how_often() -> None:
    """Each stage with its reasons below it, and what was nearest."""
    near = NearMiss(TICKER, NOW, 0.019, 0.021)
    stopped = {"not asked": 1, "edge": 3, "trades": 2}
    chain = StrategyChain("fair_value", 1, 6, stopped, {"placed": 2}, (REASON,), near)
    assert [
        "fair_value: 6 looks at 1 market",
        "  not asked          1 stopped here, 5 went on",
        "  edge               3 stopped here, 2 went on",
        "                     3 × edge 0.4c below cost 1.1c   (last 19:55:10.000)",
        "  wanted             2 looks wanted something; orders: 2 placed",
        f"  nearest miss: edge 1.9c below cost 2.1c, {TICKER} at 19:55:10.000",
    ] == list(chain_lines(chain))


def test_a_life_is_told_from_what_was_seen_to_its_result() -> None:
    """Book, features, edge, wish, checks; intent, wire, queue, fill, end, P&L."""
    trail = trail_of(FILL, ENDED)
    story = OrderStory(trail)
    story.ahead_at_most = 2_500
    wish = Target("bid", 4_000, 1_000, "rest", "because")
    checks = (
        Check("halted"), Check("outside_hours", is_broken=True),
        Check("feed_silent", SECOND, 15 * SECOND, "seconds"),
        Check("position_limit", 1_000, 30_000, "contracts"), Check("exposure_limit", 5, None, "dollars"),
        Check("daily_loss_limit", 2, 1, "dollars", "below", is_broken=True),
        Check("market_orders_limit", None, 3, "count", "below"),
    )  # fmt: skip
    story.told = [Told(NOW, SEEN, Reason("trades", "worth it", 0.03, 0.02), (wish,), Judged("", checks))]
    text = "\n".join(life_lines(trail, story, Result(400, 0.4, 0, 2_400_000, 1.0, True, None)))
    for line in (
        f"  buy YES: 10.00 at 40c in {TICKER}, to rest, post-only",
        "    bids      40c × 1.00",
        "    asks      none",
        "    book      changed 12.0 ms ago; closes in 60 s",
        "      ofi_60s                      unknown",
        "    P(YES)    0.4400 by demo/1",
        "    edge      worth it; to take: edge 3.0c, cost 2.0c",
        "    wanted    rest bid 10.00 at 40c",
        "    checks    passed; each by what it refuses:",
        "      feed_silent                  1.0 s, at most 15.0 s",
        "      position_limit               10, at most 300 contracts",
        ", below 0.000001 dollars (broken)",
        "      broken, but what only reduces passes: outside_hours, daily_loss_limit",
        "      passed, without a figure: halted",
        "      not of this order: market_orders_limit",
        "      off: exposure_limit",
        "intent    place, enter: because",
        "accepted  place: sent 0.00 ms after the decision, answered after 0.00 ms, 10.00 remain",
        "    queue: 25.00 contracts stood at its price, ours among them: no more can be ahead",
        "fill      4.00 at 40c as maker, fee $0.0000",
        "ended     yes: YES pays 100c",
        "result: 4.00 filled at 40.00c on average, fees $0.0000",
        "P&L: $2.4000 after fees (settled at 100c)",
    ):
        assert line in text


def place_told(after_s: float, ahead: int) -> e.QueuePlacesRead:
    """A reading of the queue, so long after the yes."""
    at = NOW + 3 + round(after_s * SECOND)
    return e.QueuePlacesRead(at, at, (e.QueuePlace("venue-1", TICKER, 4_000, ahead),))


def test_the_queue_is_told_as_the_venue_told_it() -> None:
    """How much stood ahead of how much, and how long after the yes; of many readings the ends."""
    places = [
        place_told(0.8, 34_000),
        place_told(35, 12_000),
        *(place_told(60 + n, n) for n in range(20, 1, -1)),
    ]
    trail = trail_of(*places, FILL)
    story = OrderStory(trail)
    story.standing = {places[0].received_at: 120_000}
    lines = list(life_lines(trail, story, Result(400, 0.4, 0, None, None, False, None)))
    told = [line.partition("queue     ")[2] for line in lines if "queue     " in line]
    assert [
        "340.00 of 1,200.00 contracts at 40c stood ahead of it, 0.8 s after the yes",
        "120.00 contracts at 40c stood ahead of it, 35.0 s after the yes",
    ] == told[:2]
    assert 4 == len(told)


def test_a_decision_of_another_code_is_not_told() -> None:
    """What today's code saw there is not what the order was decided on."""
    trail = trail_of(FILL)
    story = OrderStory(trail)
    story.told = [Told(NOW, SEEN, None, (), None, is_same=False)]
    lines = list(life_lines(trail, story, Result(400, 0.4, 0, None, None, False, None)))
    assert (
        "    the code of today does not give this order here: what it was decided on can't be told" in lines
    )
    assert not any("mid" in line for line in lines)


def test_every_record_has_its_words() -> None:
    """What went wrong too, with the reason that is recorded."""
    records = [
        e.OrderRejected("place", "kd-a-1", "bad", "no", NOW),
        e.OrderUnknown("place", "kd-a-1", "timeout", NOW),
        e.OrderDropped("amend", "kd-a-1", "late", NOW), CancelOrder("kd-a-1", "v", TICKER, 0, "old", NOW),
        WithdrawOrder("kd-a-1", "unwanted", NOW), ProbeOrder("kd-a-1", TICKER, "bid", 1, 1, 0, NOW),
        e.OrderUpdated("v", "kd-a-1", TICKER, "bid", 1, "canceled", 0, 0, "Expired", NOW, None),
    ]  # fmt: skip
    trail = trail_of(*records)
    text = "\n".join(life_lines(trail, OrderStory(trail), Result(0, None, 0, 0, None, False, None)))
    for words in (
        "rejected  place: bad no", "unknown   place: timeout", "dropped   amend before it left: late",
        "cancel: old", "withdraw from our queue: unwanted", "probe: did it arrive?",
        "stream    canceled (Expired): 0.00 filled", "result: nothing was filled",
    ):  # fmt: skip
        assert words in text


def test_amounts_and_instants_read_well() -> None:
    """To the millisecond, and with the sign before the dollar."""
    assert "2026-09-25 19:55:10.000" == clock(NOW)
    assert "-$1.5000" == dollars(-1_500_000)
