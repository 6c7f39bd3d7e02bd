"""What may be found wrong between the venue's account and ours, by kind, and what is done about each.

A finding is a belief that the venue did not share, though nothing was under way that could explain it. What
was to be expected is none: orders of a previous life, words that were lost with a connection. Those are
corrections, and only counted. Orders that are not ours, by the prefix of their ids, are never touched; a
person's own trades change the account all the same, and so do deposits.

`RULES` says what follows. `correct` takes the venue's word and goes on; `halt` takes it too, and then nothing
new is sent until a person resumes. Most of this table is about whose money moved: where only we could have
moved it, a difference is our mistake, and a mistake of unknown size must not trade on.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

import msgspec

from daemon.core.units import Ns

FindingKind: TypeAlias = Literal[
    "orphan",
    "ghost",
    "quantity",
    "fill_missed",
    "fill_unknown",
    "position_drift",
    "cash_drift",
    "settlement",
]
FindingRule: TypeAlias = Literal["adopt", "cancel", "correct", "halt"]
LATEST_MAX = 1_000
"""Findings that are kept to be looked at; all are counted."""


class Finding(msgspec.Struct, frozen=True):
    """One belief that the venue did not share.

    `subject` is a ticker, an order's or a fill's name, or "cash". `believed` and `told` are in the units of
    what differs (Qty, Money, Price); None where one side knows nothing of it.
    """

    kind: FindingKind
    subject: str
    believed: int | None
    told: int | None
    at: Ns
    rule: FindingRule


class Drift(msgspec.Struct, frozen=True):
    """A finding that is not confirmed yet: what it will be if it lasts."""

    kind: FindingKind
    subject: str
    believed: int | None
    told: int | None


class Rule(msgspec.Struct, frozen=True):
    """What is done in one case of a kind, and why that."""

    when: str
    rule: FindingRule
    why: str


RULES: dict[tuple[FindingKind, str], Rule] = {
    ("orphan", "any"): Rule(
        "an order with our prefix is listed, or told by the stream, that this life never sent",
        "cancel",
        "Nobody here wants it: it is taken over, counted as exposure, and cancelled.",
    ),
    ("orphan", "again"): Rule(
        "the third such order within a minute",
        "halt",
        "Another daemon uses the same `orders.id_prefix` on this account: the two would cancel each other's"
        " orders on and on.",
    ),
    ("ghost", "any"): Rule(
        "an order that we thought resting is in no list, and the stream never told its end",
        "correct",
        "The list is read late enough to prove it. It rests no more, so that no exposure is unaccounted for.",
    ),
    ("quantity", "any"): Rule(
        "an order rests with another price or quantity than we thought, and the stream never told",
        "correct",
        "The venue's terms are in force, whatever we believe.",
    ),
    ("fill_missed", "any"): Rule(
        "the drop copy or a list told a fill that the healthy stream did not tell within 5 s",
        "correct",
        "It is booked already. The stream may have kept more from us: the account is doubted and read anew.",
    ),
    ("fill_unknown", "foreign"): Rule(
        "a fill of an order that is not ours",
        "adopt",
        "A person trades on this account. The position and the cash are the account's, so it is booked.",
    ),
    ("fill_unknown", "own name"): Rule(
        "a fill of an order with our prefix that this life knows nothing of",
        "halt",
        "Something else sends orders in our name, or we have lost one of ours.",
    ),
    ("position_drift", "foreign"): Rule(
        "a position differs in a market where others than we trade on this account, or where we never did",
        "correct",
        "A trade by hand, a transfer or a conversion explains it.",
    ),
    ("position_drift", "own"): Rule(
        "a position differs in a market where only we trade",
        "halt",
        "Nobody else could have changed it: fills are lost, or booked wrongly.",
    ),
    ("cash_drift", "up"): Rule(
        "there is more cash than we thought, and no position of ours differs",
        "correct",
        "A deposit, or interest. It adds to no risk.",
    ),
    ("cash_drift", "explained"): Rule(
        "there is less cash, and the lists of withdrawals and deposits, or positions that others changed,"
        " explain it",
        "correct",
        "The account's owner may take money out at any time.",
    ),
    ("cash_drift", "down"): Rule(
        "there is less cash than we thought, and nothing explains it",
        "halt",
        "Either we lose money that we don't count, or somebody takes it.",
    ),
    ("settlement", "result"): Rule(
        "another result is told after the payout",
        "correct",
        "Corrections happen. What the venue's lists confirm is booked as a new event, exactly.",
    ),
    ("settlement", "revenue"): Rule(
        "a settled market paid another sum than we booked, at the same result",
        "halt",
        "We were wrong about what we held.",
    ),
    ("settlement", "fees"): Rule(
        "the fees that a settlement lists are not those of its fills",
        "correct",
        "Each fill's fee is in the cash, and that is compared to the last unit: this is about the report.",
    ),
}


class FindingLog:
    """The findings of this life: all are counted, the latest are kept."""

    def __init__(self) -> None:
        self.latest: list[Finding] = []
        self.total = 0
        self.by_kind: Counter[FindingKind] = Counter()

    def add(self, drift: Drift, case: str, at: Ns) -> Finding:
        """Note a finding of a kind's case, and return it with its rule."""
        rule = RULES[drift.kind, case].rule
        finding = Finding(drift.kind, drift.subject, drift.believed, drift.told, at, rule)
        self.latest.append(finding)
        del self.latest[:-LATEST_MAX]
        self.total += 1
        self.by_kind[drift.kind] += 1
        return finding

    def since(self, total: int) -> list[Finding]:
        """Return what was found since so many were known, oldest first, as far as it is kept."""
        missing = self.total - total
        return self.latest[-missing:] if missing > 0 else []


def findings_table() -> str:
    """Return the table of all findings as Markdown, for the docs."""
    rows = ["| finding | when | rule | why |", "|---|---|---|---|"]
    rows += [
        f"| `{kind}` | {rule.when} | {rule.rule} | {rule.why} |" for (kind, _case), rule in RULES.items()
    ]
    return "\n".join(rows) + "\n"
