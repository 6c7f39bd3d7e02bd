"""Why did it not trade? A tally over a retelling: how far each strategy came, and what stopped it how often.

A *look* is one strategy's turn at one market in one decision. The chain of a look: not asked (something is
not vouched for, or a person's word) → warm-up → score → market → edge → size → it wants something. Of what is
wanted orders are made, or it rests already, or risk refuses it. Reasons are counted by kind, that is with
their figures taken out, and the last one of a kind is kept in full: memory stays bounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from daemon.core.commands import Command
from daemon.core.decisions import Decision
from daemon.core.engine import Engine
from daemon.core.explaining import CHAIN, explained
from daemon.core.market import Market
from daemon.core.netting import NETTED
from daemon.core.orders import Proposal
from daemon.core.risk import AccountRisk, MarketRisk, Refusal
from daemon.core.risk.refusals import RULES
from daemon.core.strategy import MarketView, Strategy, Wanted
from daemon.core.units import MILLISECOND, SECOND, Ns

KINDS_MAX = 100
"""Kinds of reasons that one strategy's tally tells apart; what comes after is counted as other ones."""
OTHERS = "other reasons"
NOT_ASKED = "not asked"
REFUSED = "refused"
STAGES: tuple[str, ...] = (NOT_ASKED, *CHAIN)
Made: TypeAlias = Literal["placed", "amended", "cancelled", "refused", "rests as wanted", "netted"]
_MADE: dict[str, Made] = {"place": "placed", "amend": "amended", "cancel": "cancelled"}
_FIGURE = re.compile(r"[-+]?\d[\d.,]*")


class ReasonCount(msgspec.Struct, frozen=True):
    """One kind of reason at one stage: how often, when first and last, and the last one in words."""

    stage: str
    count: int
    text: str
    first_at: Ns
    last_at: Ns


class NearMiss(msgspec.Struct, frozen=True):
    """The look whose edge came nearest to its cost without reaching it; dollars per contract."""

    ticker: str
    at: Ns
    edge: float
    cost: float


class StrategyChain(msgspec.Struct, frozen=True):
    """How far one strategy came: `stopped` has the looks by the stage where they ended, `made` the orders.

    The counts of `stopped` add up to `looks`; those of "trades" are the looks that wanted something.
    """

    strategy: str
    markets: int
    looks: int
    stopped: dict[str, int]
    made: dict[str, int]
    reasons: tuple[ReasonCount, ...]
    near_miss: NearMiss | None


class _Kind:
    """A kind of reason, while it is counted."""

    __slots__ = ("count", "first_at", "last_at", "text")

    def __init__(self, at: Ns) -> None:
        self.count = 0
        self.first_at = self.last_at = at
        self.text = ""


class _Tally:
    """One strategy's counts."""

    def __init__(self) -> None:
        self.markets: dict[str, None] = {}
        self.stopped: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.kinds: dict[tuple[str, str], _Kind] = {}
        self.near_miss: NearMiss | None = None

    def count(self, stage: str, text: str, at: Ns) -> None:
        """Count a reason under its kind."""
        # A refusal is one kind whatever it was held against.
        key = (stage, text.partition(":")[0] if stage == REFUSED else _FIGURE.sub("#", text))
        kind = self.kinds.get(key)
        if kind is None:
            if len(self.kinds) >= KINDS_MAX:
                key, text = (stage, OTHERS), OTHERS
            kind = self.kinds.setdefault(key, _Kind(at))
        kind.count += 1
        kind.last_at, kind.text = at, text


class WhyTally:
    """Listens to a retelling and counts; see the module's head."""

    def __init__(
        self,
        *,
        ticker: str | None = None,
        strategy: str | None = None,
        since: Ns | None = None,
        until: Ns | None = None,
    ) -> None:
        """Build; None is no bound. `since` and `until` are included."""
        self._ticker, self._strategy = ticker, strategy
        self._since, self._until = since, until
        self._tallies: dict[str, _Tally] = {}
        self._engine: Engine | None = None
        self._now: dict[tuple[str, str], str | None] = {}
        """This decision's looks: what was wanted, in the strategy's words; None where nothing was."""

    def attach(self, engine: Engine) -> None:
        """Take the next session's engine; the counts go on."""
        self._engine = engine
        self._now.clear()

    def asked(self, strategy: Strategy, view: MarketView, wanted: Wanted) -> None:
        """Count a look at which the strategy was asked."""
        ticker, name, at = view.spec.ticker, strategy.name, view.now
        if not self._is_meant(ticker, name, at):
            return
        reason = explained(strategy, view, wanted)
        tally = self._begin(ticker, name, reason.stage)
        if reason.stage != "trades":
            tally.count(reason.stage, reason.text, at)
        if reason.stage == "edge" and reason.edge is not None and reason.cost is not None:
            last = tally.near_miss
            if last is None or reason.edge - reason.cost > last.edge - last.cost:
                tally.near_miss = NearMiss(ticker, at, reason.edge, reason.cost)
        self._now[ticker, name] = wanted.reason if wanted.targets else None

    def judged(
        self, proposal: Proposal, market: MarketRisk, account: AccountRisk, now: Ns, verdict: str
    ) -> None:
        """Nothing: what the gate said comes as a decision."""

    def noted(self, decision: Decision) -> None:
        """Count what came of a look, or a look at which nobody was asked."""
        ticker, name, at = decision.ticker, decision.strategy, decision.at
        if not self._is_meant(ticker, name, at):
            return
        key, outcome, text = (ticker, name), decision.outcome, decision.reason
        if key not in self._now:
            tally = self._begin(ticker, name, NOT_ASKED)
            tally.count(NOT_ASKED, self._words(ticker, name, text, at), at)
            self._now[key] = None
        tally = self._tallies[name]
        wanted = self._now[key]
        if outcome in ("place", "amend", "cancel"):
            tally.made[_MADE[outcome]] += 1
        elif wanted is not None:
            # What was wanted was taken out on its way (a doubt about the model, the other strategies), or
            # rests already.
            if outcome == "idle" and text == NETTED:
                tally.made["netted"] += 1
            elif outcome == "idle" and text == wanted:
                tally.made["rests as wanted"] += 1
            else:
                tally.made[REFUSED] += 1
                tally.count(REFUSED, text, at)

    def decided(self, _now: Ns, _commands: Sequence[Command]) -> None:
        """Begin the next decision's looks."""
        self._now.clear()

    @property
    def chains(self) -> tuple[StrategyChain, ...]:
        """What was counted, by strategy; the reasons in the order of the chain, the most frequent first."""
        return tuple(_told(name, tally) for name, tally in sorted(self._tallies.items()))

    def _is_meant(self, ticker: str, strategy: str, at: Ns) -> bool:
        return (
            (self._ticker is None or ticker == self._ticker)
            and (self._strategy is None or strategy == self._strategy)
            and (self._since is None or at >= self._since)
            and (self._until is None or at <= self._until)
        )

    def _begin(self, ticker: str, strategy: str, stage: str) -> _Tally:
        tally = self._tallies.setdefault(strategy, _Tally())
        tally.markets[ticker] = None
        tally.stopped[stage] += 1
        return tally

    def _words(self, ticker: str, strategy: str, reason: str, now: Ns) -> str:
        """Return why nobody was asked, with what is behind it where that is known."""
        name = _refusal_of(reason)
        if name is None or self._engine is None:
            return reason
        state = self._engine.state
        if name == "halted" and state.halt_reason is not None:
            return f"halted: {state.halt_reason}"
        if name == "strategy_off" and (off := state.switches.off.get(strategy)) is not None:
            return f"switched off ({off.by}): {off.reason}"
        market = state.markets.get(ticker)
        words = None if market is None else _market_words(name, market, now)
        return words or f"{name}: {RULES[name].meaning}"


def _market_words(name: Refusal, market: Market, now: Ns) -> str | None:
    """Return what a market's book and connection say of a refusal; None where they have no say."""
    changed_at, heard_at = market.book.changed_at, market.feed.heard_at
    lag, offset = market.feed.lag.lag, market.feed.lag.offset
    words: dict[Refusal, str | None] = {
        "book_unsynced": f"book lost: {market.book.lost_reason}",
        "book_unchanged": None
        if changed_at is None
        else f"book stale {(now - changed_at) // MILLISECOND} ms",
        "feed_silent": None if heard_at is None else f"feed silent {(now - heard_at) / SECOND:.1f} s",
        "transport_lag": None if lag is None else f"messages late by {lag // MILLISECOND} ms",
        "clock_skew": None if offset is None else f"clocks {abs(offset) // MILLISECOND} ms apart",
        "close_too_near": f"closes in {(market.spec.close_at - now) // SECOND} s",
        "market_not_open": f"market not open: {market.spec.status}",
    }
    return words.get(name)


def _refusal_of(reason: str) -> Refusal | None:
    """Return the refusal that a reason names; None where it names none."""
    name = reason.partition(":")[0]
    return next((one for one in RULES if one == name), None)


def _told(name: str, tally: _Tally) -> StrategyChain:
    order = (*STAGES, REFUSED)
    kinds = sorted(tally.kinds.items(), key=lambda entry: (order.index(entry[0][0]), -entry[1].count))
    reasons = [
        ReasonCount(stage, kind.count, kind.text, kind.first_at, kind.last_at) for (stage, _), kind in kinds
    ]
    return StrategyChain(
        name,
        len(tally.markets),
        tally.stopped.total(),
        {stage: tally.stopped[stage] for stage in STAGES if tally.stopped[stage]},
        dict(sorted(tally.made.items())),
        tuple(reasons),
        tally.near_miss,
    )
