"""The breakers: what goes wrong often enough stops a scope for a while, or everything until a person resumes.

    closed ──threshold reached──▶ open ──cool-down, or an answered probe──▶ half_open ──a success──▶ closed
                                   ▲                                          │
                                   └────────────────── a failure ─────────────┘

One breaker per rule and key: a market, an event, a strategy, or the account. While one is open, cancels,
reads and probes go out as always; orders that only reduce go where its rule says `reduce_only`. Half open,
one new order of its scope at a time goes out. Those that heal by a `person` are halts: they stay open until
somebody resumes, and the engine latches them on disk.

What is absent: the journal. When it can't be written the daemon ends (`shell.journal`); nothing is decided
any more, so there is nothing here that could be open.

Inputs are events, and what the engine asks of its own beliefs at a decision: a replay opens the same ones.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Literal, TypeAlias, get_args

import msgspec

from daemon.core import events as e
from daemon.core.units import MINUTE, SECOND, Ns

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]
BreakerName: TypeAlias = Literal[
    "failures",
    "rejects_market",
    "rejects_event",
    "rejects_strategy",
    "rate_limited",
    "ack_latency",
    "stale_sends",
    "clock_skew",
    "finding",
    "out_of_step",
    "daily_loss",
    "drawdown",
]
Scope: TypeAlias = Literal["market", "event", "strategy", "account"]
Means: TypeAlias = Literal["reduce_only", "halted"]
"""What open means: only orders that reduce leave, or none at all."""
Heals: TypeAlias = Literal["probe", "cool_down", "person"]

ACCOUNT = ""
"""The key of the one account."""
ORDER_REQUESTS = ("place", "amend", "cancel", "cancel_all")
STALE_REASONS = frozenset({
    "feed_down", "feed_silent", "transport_lag", "clock_skew", "book_unsynced", "book_unchanged",
    "deadline_passed",
})  # fmt: skip
"""Why the queue drops what was vouched for when it was decided, and no longer when it was to leave."""
EXPECTED_REJECTIONS = ("trading_is_paused", "exchange_is_paused", "order_already_exists")
"""The venue's word on itself, or on an order that did arrive: no fault of what we send."""
POST_ONLY_CROSS = "post only cross"
"""The details of a rejection that only says that the price moved while we asked."""
TOO_MANY = "HTTP 429"
UNTRIED_MAX = 10
"""Cool-downs after which a breaker that half-opened and that no order tried closes: a market may be gone."""
WORST: tuple[BreakerState, ...] = ("open", "half_open", "closed")


class Rule(msgspec.Struct, frozen=True):
    """One row of the table.

    `of` None: so many bad outcomes in a row open it. Otherwise: so many among the last `of` outcomes, none
    older than `window`. `cool_down` is None where time alone opens nothing.
    """

    name: BreakerName
    scope: Scope
    threshold: int
    of: int | None
    window: Ns | None
    cool_down: Ns | None
    means: Means
    heals: Heals


def rules_of(failures_max: int, rejects_max: int, cool_down: Ns) -> dict[BreakerName, Rule]:
    """Return the table: every breaker's threshold, window, cool-down, meaning and healing."""
    streak = 3 * rejects_max
    table = (
        # name, scope, threshold, of the last, within, cool-down, open means, heals by
        Rule("failures", "account", failures_max, None, None, None, "halted", "probe"),
        Rule("rejects_market", "market", rejects_max, None, None, cool_down, "reduce_only", "cool_down"),
        Rule("rejects_event", "event", 2 * rejects_max, None, None, cool_down, "reduce_only", "cool_down"),
        Rule("rejects_strategy", "strategy", streak, None, None, cool_down, "reduce_only", "cool_down"),
        Rule("rate_limited", "account", 5, 20, MINUTE, cool_down, "reduce_only", "cool_down"),
        # Two of twenty: the 95th percentile of the last answers is above the limit.
        Rule("ack_latency", "account", 2, 20, 10 * MINUTE, cool_down, "reduce_only", "cool_down"),
        Rule("stale_sends", "strategy", 10, 20, 10 * MINUTE, cool_down, "reduce_only", "cool_down"),
        Rule("clock_skew", "account", 1, None, None, cool_down, "halted", "cool_down"),
        Rule("finding", "account", 1, None, None, None, "halted", "person"),
        Rule("out_of_step", "strategy", 1, None, None, None, "halted", "person"),
        Rule("daily_loss", "account", 1, None, None, None, "halted", "person"),
        Rule("drawdown", "account", 1, None, None, None, "halted", "person"),
    )
    return {rule.name: rule for rule in table}


RULES = rules_of(3, 5, 30 * SECOND)
"""The table with the shipped thresholds, for the documentation and what counts by name."""
assert tuple(RULES) == get_args(BreakerName), "a row for each name, in their order"


class Keys(msgspec.Struct, frozen=True):
    """What an order belongs to. `event` is None where its market is not watched."""

    market: str
    event: str | None
    strategy: str

    def of(self, scope: Scope) -> str | None:
        """Return its key in a scope; None when it has none."""
        match scope:
            case "market":
                return self.market
            case "event":
                return self.event
            case "strategy":
                return self.strategy
            case "account":
                return ACCOUNT


class Opened(msgspec.Struct, frozen=True):
    """A breaker that stops an order: its rule, its key, and why it is open, in words."""

    rule: Rule
    key: str
    state: BreakerState
    why: str

    @property
    def words(self) -> str:
        """The breaker by name and scope, and why it opened."""
        where = self.rule.scope if self.key == ACCOUNT else f"{self.rule.scope} {self.key}"
        return f"{self.rule.name} of the {where}: {self.why}"


class Breaker:
    """One rule for one key: counts what is bad and says what may go out."""

    __slots__ = ("_bad_in_row", "_recent", "opened_at", "rule", "state", "why")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state: BreakerState = "closed"
        self.opened_at: Ns | None = None
        self.why = ""
        self._bad_in_row = 0
        self._recent: deque[tuple[Ns, bool]] = deque(maxlen=rule.of or 1)

    @property
    def is_idle(self) -> bool:
        """Whether forgetting it would change nothing."""
        return self.state == "closed" and not self._bad_in_row and not any(bad for _, bad in self._recent)

    def fail(self, at: Ns, why: str) -> bool:
        """Take in one bad outcome; True when it opens the breaker."""
        self._bad_in_row += 1
        self._recent.append((at, True))
        opens = self.state == "half_open" or (self.state == "closed" and self._is_reached(at))
        if opens:
            self.state, self.opened_at, self.why = "open", at, why
        return opens

    def _is_reached(self, at: Ns) -> bool:
        rule = self.rule
        if rule.of is None:
            return self._bad_in_row >= rule.threshold
        since = 0 if rule.window is None else at - rule.window
        return sum(bad for seen_at, bad in self._recent if seen_at >= since) >= rule.threshold

    def succeed(self, at: Ns) -> None:
        """Take in one good outcome. An open breaker doesn't listen: late answers prove nothing now."""
        if self.state == "open":
            return
        if self.state == "half_open":
            self.close()
        self._bad_in_row = 0
        self._recent.append((at, False))

    def probe(self) -> None:
        """Take in the answer to a probe: it half-closes what waits for one, and proves no more than that."""
        if self.state == "open":
            self._half_open()
        self._bad_in_row = 0

    def cool(self, now: Ns) -> None:
        """Half-open once the cool-down is over; close if nobody tried for very long."""
        cool_down = self.rule.cool_down
        if cool_down is None or self.opened_at is None or self.state == "closed":
            return
        if self.state == "open" and now - self.opened_at >= cool_down:
            self._half_open()
        if self.state == "half_open" and now - self.opened_at >= UNTRIED_MAX * cool_down:
            self.close()

    def _half_open(self) -> None:
        self.state = "half_open"
        self._bad_in_row = 0
        self._recent.clear()

    def close(self) -> None:
        """Close it and forget what was counted."""
        self.state = "closed"
        self._bad_in_row = 0
        self._recent.clear()


class Breakers:
    """All breakers of one life, by rule and key."""

    def __init__(self, rules: dict[BreakerName, Rule], ack_max: Ns) -> None:
        self.rules = rules
        self._ack_max = ack_max
        self._breakers: dict[tuple[BreakerName, str], Breaker] = {}
        self.opened_total: Counter[BreakerName] = Counter()
        self.is_cancel_all_due = False
        """Whether one opened that asks for everything to be taken out; the asker clears it."""
        self._tripped: list[Opened] = []

    def change_rules(self, rules: dict[BreakerName, Rule], ack_max: Ns) -> None:
        """Go on by other thresholds: what is open stays open, and what was counted counts."""
        self.rules, self._ack_max = rules, ack_max
        for (name, _), breaker in self._breakers.items():
            breaker.rule = rules[name]

    # --- what happens --------------------------------------------------------------------------

    def of(self, name: BreakerName, key: str = ACCOUNT) -> Breaker:
        """Return the breaker of a rule for a key."""
        breaker = self._breakers.get((name, key))
        if breaker is None:
            breaker = self._breakers[name, key] = Breaker(self.rules[name])
        return breaker

    def fail(self, name: BreakerName, key: str, at: Ns, why: str) -> None:
        """Take in one bad outcome for a rule and a key."""
        breaker = self.of(name, key)
        if not breaker.fail(at, why):
            return
        self.opened_total[name] += 1
        if breaker.rule.means == "halted" and breaker.rule.heals != "cool_down":
            self.is_cancel_all_due = True
        if breaker.rule.heals == "person":
            self._tripped.append(Opened(breaker.rule, key, "open", why))

    def observe(self, event: e.Event, keys: Keys | None, asked_at: Ns | None) -> None:
        """Take in one event.

        Args:
            event: any; most say nothing here.
            keys: what the order that it is about belongs to; None where none is.
            asked_at: when the request that it answers left us; None where that is not known.
        """
        match event:
            case e.VenueFailed():
                self._observe_failure(event)
            case e.VenueAnswered():
                self._observe_answer(event)
            case e.OrderAccepted(action="place" | "amend") if keys is not None:
                self._succeed_rejects(keys, event.received_at)
                self._observe_ack(keys, asked_at, event.received_at)
            case e.OrderRejected(action="place" | "amend") if keys is not None:
                self._observe_rejection(event, keys)
                self._observe_ack(keys, asked_at, event.received_at)
            case e.OrderUnknown(action="place" | "amend") if keys is not None:
                self.of("stale_sends", keys.strategy).succeed(event.received_at)
            case e.OrderDropped(action="place" | "amend") if keys is not None:
                if event.reason in STALE_REASONS:
                    why = f"orders dropped before they left, the last one for {event.reason}"
                    self.fail("stale_sends", keys.strategy, event.received_at, why)
            case e.ResumeRequested():
                for breaker in self._breakers.values():
                    if breaker.rule.heals == "person":
                        breaker.close()
            case _:
                pass

    def _observe_failure(self, event: e.VenueFailed) -> None:
        at = event.received_at
        self.fail("failures", ACCOUNT, at, f"{event.request} was not answered: {event.reason}")
        if event.request not in ORDER_REQUESTS:
            return
        if event.reason.startswith(TOO_MANY):
            self.fail("rate_limited", ACCOUNT, at, "order requests refused for want of tokens (429)")
        else:
            self.of("rate_limited").succeed(at)

    def _observe_answer(self, event: e.VenueAnswered) -> None:
        if event.request == "probe":
            self.of("failures").probe()
            return
        self.of("failures").succeed(event.received_at)
        if event.request in ORDER_REQUESTS:
            self.of("rate_limited").succeed(event.received_at)

    def _observe_ack(self, keys: Keys, asked_at: Ns | None, at: Ns) -> None:
        """An answer came: the order had left."""
        self.of("stale_sends", keys.strategy).succeed(at)
        if asked_at is None:
            return
        took = at - asked_at
        if took > self._ack_max:
            self.fail("ack_latency", ACCOUNT, at, f"an order was answered after {took // 1_000_000} ms")
        else:
            self.of("ack_latency").succeed(at)

    def _observe_rejection(self, event: e.OrderRejected, keys: Keys) -> None:
        if event.code in EXPECTED_REJECTIONS or event.details == POST_ONLY_CROSS:
            return
        why = f"rejections in a row, the last one {event.code}"
        self.fail("rejects_market", keys.market, event.received_at, why)
        if keys.event is not None:
            self.fail("rejects_event", keys.event, event.received_at, why)
        self.fail("rejects_strategy", keys.strategy, event.received_at, why)

    def _succeed_rejects(self, keys: Keys, at: Ns) -> None:
        self.of("rejects_market", keys.market).succeed(at)
        if keys.event is not None:
            self.of("rejects_event", keys.event).succeed(at)
        self.of("rejects_strategy", keys.strategy).succeed(at)
        self.of("clock_skew").succeed(at)

    # --- what the engine asks at a decision ----------------------------------------------------

    def cool(self, now: Ns, *, is_clock_skewed: bool) -> None:
        """Let time pass: what has cooled down half-opens; what counts nothing is forgotten."""
        if is_clock_skewed and self.of("clock_skew").state != "open":
            self.fail("clock_skew", ACCOUNT, now, "a connection's clock is further off than the limit")
        if not self._breakers:
            return
        for breaker in self._breakers.values():
            if not (is_clock_skewed and breaker.rule.name == "clock_skew"):
                breaker.cool(now)
        self._breakers = {key: one for key, one in self._breakers.items() if not one.is_idle}

    def take_tripped(self) -> list[Opened]:
        """Return the breakers that opened since it was last asked and need a person, in their order."""
        tripped, self._tripped = self._tripped, []
        return tripped

    def against(
        self, keys: Keys, *, is_reducing: bool, trials: tuple[Keys, ...], is_flattening: bool = False
    ) -> Opened | None:
        """Return the breaker that keeps an order from leaving; None when none does.

        Args:
            keys: what the order belongs to.
            is_reducing: whether it only gives up a part of a position.
            trials: those of the orders without an answer: half open, only one goes out.
            is_flattening: whether a person has asked for it, to be out: what waits for a person lets it go.
        """
        for (_, key), breaker in self._breakers.items():
            state, rule = breaker.state, breaker.rule
            if state == "closed" or key != keys.of(rule.scope):
                continue
            if is_reducing and (rule.means == "reduce_only" or (is_flattening and rule.heals == "person")):
                continue
            if state == "open" or any(trial.of(rule.scope) == key for trial in trials):
                return Opened(rule, key, state, breaker.why)
        return None

    # --- for people ----------------------------------------------------------------------------

    @property
    def is_answered(self) -> bool:
        """Whether the venue answers: nothing new is sent, and it is probed, while it doesn't."""
        return ("failures", ACCOUNT) not in self._breakers or self.of("failures").state != "open"

    @property
    def worst(self) -> BreakerState:
        """The worst state of those that concern the whole account."""
        states = {one.state for one in self._breakers.values() if one.rule.scope == "account"}
        return next((state for state in WORST if state in states), "closed")

    def not_closed(self) -> tuple[Opened, ...]:
        """Return all that are open or half open, in the order of their making."""
        return tuple(
            Opened(one.rule, key, one.state, one.why)
            for (_, key), one in self._breakers.items()
            if one.state != "closed"
        )

    def worst_by_rule(self) -> dict[BreakerName, BreakerState]:
        """Return each rule's worst state over its keys."""
        found: dict[BreakerName, set[BreakerState]] = {name: set() for name in self.rules}
        for (name, _), one in self._breakers.items():
            found[name].add(one.state)
        return {
            name: next((state for state in WORST if state in states), "closed")
            for name, states in found.items()
        }
