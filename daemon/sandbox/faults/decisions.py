"""When a fault happens: the live rules, what they match, and how often each has hit. Pure, and seeded.

A rule matches by its scope. Of what it matches it spares the first `skip`, hits the rest with its
probability, drawn from its own seed, and is over after `next` hits, after `for_ms`, or when it is cleared.
So the same rules meeting the same traffic hit the same of it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random
from typing import NamedTuple

import msgspec

from daemon.core.units import MILLISECOND, Ns
from daemon.sandbox.faults.registry import SEAM_OPTIONS, Rule, Seam, check_rule


class Subject(NamedTuple):
    """What a fault may happen to: a request, a frame or a connection. None: it has no such thing."""

    seam: Seam
    path: str | None = None
    method: str | None = None
    market: str | None = None
    channel: str | None = None
    type: str | None = None
    stream: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """A rule and what it has done so far: matches, and hits among them."""

    id: int
    rule: Rule
    matched: int
    hit: int
    is_live: bool


class _Live:
    def __init__(self, id_: int, rule: Rule, now: Ns) -> None:
        self.id = id_
        self.rule = rule
        self.ends_at = None if rule.for_ms is None else now + rule.for_ms * MILLISECOND
        self.matched = 0
        self.hit = 0
        self.is_live = True
        self._random = Random(rule.seed)  # noqa: S311  # a fault, not a secret

    def meets(self, now: Ns) -> bool:
        """Take in a subject that the rule matches; whether it hits."""
        if self.ends_at is not None and now >= self.ends_at:
            self.is_live = False
            return False
        self.matched += 1
        # Drawn for every match, spared ones too: so a longer `skip` shifts nothing.
        is_drawn = self._random.random() < self.rule.probability
        if self.matched <= self.rule.skip or not is_drawn:
            return False
        self.hit += 1
        if self.rule.next is not None and self.hit >= self.rule.next:
            self.is_live = False
        return True

    def matches(self, subject: Subject) -> bool:
        rule, fault = self.rule, self.rule.fault
        if fault.seam != subject.seam:
            return False
        channels = (rule.channel,) if rule.channel is not None else fault.channels
        if channels and not any(_fits(name, channels) for name in (subject.channel, subject.type)):
            return False
        return (
            _fits(subject.path, (rule.path or fault.path,))
            and _fits(subject.method, (rule.method or fault.method,))
            and _fits(subject.market, (rule.market,))
            and _fits(subject.stream, (rule.stream,))
        )


def _fits(text: str | None, patterns: tuple[str | None, ...]) -> bool:
    return any(pattern is None or (text is not None and fnmatchcase(text, pattern)) for pattern in patterns)


class Faults:
    """All rules, live and over. `now` is any clock that doesn't jump."""

    def __init__(self) -> None:
        self._rules: dict[int, _Live] = {}
        self._live: dict[Seam, list[_Live]] = {seam: [] for seam in SEAM_OPTIONS}
        self._count = 0

    def inject(self, rule: Rule, now: Ns) -> int:
        """Let a rule begin and return its number.

        Raises:
            BadRule: it makes no sense.
        """
        check_rule(rule)
        self._count += 1
        live = _Live(self._count, rule, now)
        self._rules[live.id] = live
        self._live[rule.fault.seam].append(live)
        return live.id

    def clear(self, id_: int | None = None) -> list[Rule]:
        """End one rule, or all, and return those that this ended; what they did stays counted."""
        ended = []
        for live in self._rules.values():
            if live.is_live and id_ in {None, live.id}:
                live.is_live = False
                ended.append(live.rule)
        self._sweep()
        return ended

    def _sweep(self) -> None:
        for seam, rules in self._live.items():
            self._live[seam] = [live for live in rules if live.is_live]

    def is_quiet(self, seam: Seam) -> bool:
        """Whether no rule sits at a seam: then nothing has to be looked at there."""
        return not self._live[seam]

    def has(self, kind: str, now: Ns) -> bool:
        """Whether a rule of a kind is live."""
        return any(
            live.is_live and live.rule.kind == kind and (live.ends_at is None or now < live.ends_at)
            for live in self._rules.values()
        )

    def decide(self, subject: Subject, now: Ns) -> list[Rule]:
        """Return the rules that hit this, in the order of their beginning."""
        rules = self._live[subject.seam]
        if not rules:
            return []
        found = [live.rule for live in rules if live.matches(subject) and live.meets(now)]
        if any(not live.is_live for live in rules):
            self._sweep()
        return found

    def counts(self) -> list[Counted]:
        """Return every rule so far and what it did."""
        return [
            Counted(live.id, live.rule, live.matched, live.hit, live.is_live) for live in self._rules.values()
        ]
