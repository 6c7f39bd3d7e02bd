"""The life of our orders as one table: what may happen to an order in which state, and where it leads.

Every pair of a state and a happening has a row: `LIFECYCLE` says where it leads, `ILLEGAL` why it can't
be. `daemon/LIFECYCLE.md` is drawn from both.

What is absent: no edge leaves `unknown` by waiting or by assuming; only the venue's word does, and a list
that lacks the order is its word only when it is late enough (see `order_lists`). A closed order never
reopens, but a fill may still come to it: cancel-then-fill is legal, the two race.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

OrderState: TypeAlias = Literal[
    "placing", "resting", "amending", "canceling", "unknown", "canceled", "executed", "rejected", "dropped"
]
Happening: TypeAlias = Literal[
    "place_accepted",
    "place_rejected",
    "place_dropped",
    "outcome_unknown",
    "amend_requested",
    "amend_settled",
    "cancel_requested",
    "cancel_dropped",
    "told_resting",
    "told_canceled",
    "told_executed",
    "told_absent",
    "told_never_arrived",
]
STATES: tuple[OrderState, ...] = get_args(OrderState)
HAPPENINGS: tuple[Happening, ...] = get_args(Happening)

OPEN: frozenset[OrderState] = frozenset({"placing", "resting", "amending", "canceling", "unknown"})
IN_FLIGHT: frozenset[OrderState] = frozenset({"placing", "amending", "canceling", "unknown"})

MEANING: dict[OrderState | Happening, str] = {
    "placing": "decided, and no answer yet",
    "resting": "the venue has it, and it may trade",
    "amending": "it rests, and new terms are asked for",
    "canceling": "it rests, and is asked to go",
    "unknown": "whether it rests, and on which terms, is not known: nothing new is sent on its market",
    "canceled": "out at the venue, whatever part had traded",
    "executed": "traded whole",
    "rejected": "refused by the venue, or it never got there and never will",
    "dropped": "given up by our own queue before it left",
    "place_accepted": "the venue's yes to a new order",
    "place_rejected": "the venue's no to a new order",
    "place_dropped": "our queue gave the new order up, or it surely was not sent",
    "outcome_unknown": "a request ended without a readable answer, or a cancel got a 404: that tells nothing",
    "amend_requested": "we ask for new terms",
    "amend_settled": "an amend was accepted, rejected or dropped: the order rests, with the terms it has",
    "cancel_requested": "we ask it out",
    "cancel_dropped": "a cancel was rejected or not sent: the order rests as before",
    "told_resting": "the stream or a list says that it rests",
    "told_canceled": "a reply, the stream or a list says that it is out",
    "told_executed": "a reply, the stream, a list or its fills say that it has traded whole",
    "told_absent": "a late enough list of resting orders lacks it: it has ended, and how is not known",
    "told_never_arrived": "a probe was taken in its place, or all lists lack it past its signature's life",
}

_CLOSED_ALIKE: tuple[Happening, ...] = (
    "told_resting",
    "told_canceled",
    "told_executed",
    "place_accepted",
    "amend_settled",
    "outcome_unknown",
)
LIFECYCLE: dict[tuple[OrderState, Happening], OrderState] = {
    ("placing", "place_accepted"): "resting",
    ("placing", "place_rejected"): "rejected",
    ("placing", "place_dropped"): "dropped",
    ("placing", "outcome_unknown"): "unknown",
    ("placing", "told_resting"): "resting",
    ("resting", "place_accepted"): "resting",  # the stream was faster than the reply
    ("amending", "place_accepted"): "amending",  # so much faster that we have asked for more meanwhile
    ("canceling", "place_accepted"): "canceling",
    ("resting", "told_resting"): "resting",
    ("resting", "told_absent"): "unknown",
    ("resting", "amend_requested"): "amending",
    ("resting", "cancel_requested"): "canceling",
    ("resting", "outcome_unknown"): "resting",  # of its place: the stream has told meanwhile
    ("amending", "amend_settled"): "resting",
    ("amending", "outcome_unknown"): "unknown",
    ("amending", "told_resting"): "amending",  # the reply settles it, the stream may speak of before
    ("canceling", "outcome_unknown"): "unknown",
    ("canceling", "told_resting"): "canceling",
    ("canceling", "cancel_dropped"): "resting",
    ("unknown", "told_resting"): "resting",
    ("unknown", "told_never_arrived"): "rejected",
    ("unknown", "place_accepted"): "resting",
    ("unknown", "place_rejected"): "rejected",
    ("unknown", "outcome_unknown"): "unknown",
    **{(state, "told_canceled"): "canceled" for state in STATES if state in OPEN},
    **{(state, "told_executed"): "executed" for state in STATES if state in OPEN},
    # Closed orders: late words change nothing.
    ("canceled", "cancel_dropped"): "canceled",
    ("executed", "cancel_dropped"): "executed",
    **{("canceled", happening): "canceled" for happening in _CLOSED_ALIKE},
    **{("executed", happening): "executed" for happening in _CLOSED_ALIKE},
}

_NOT_ASKED = "no such request is outstanding"
_WHY_ILLEGAL: dict[Happening, str] = {
    "place_accepted": "an answer comes once",
    "place_rejected": "what was refused can't be at the venue, and this one was told to be, or has ended",
    "place_dropped": "it has left our queue, or has ended",
    "outcome_unknown": _NOT_ASKED,
    "amend_requested": "we ask only of an order that rests",
    "amend_settled": _NOT_ASKED,
    "cancel_requested": "we ask only of an order that rests",
    "cancel_dropped": _NOT_ASKED,
    "told_resting": "it never got to the venue: a late word brings it back as an adopted order",
    "told_canceled": "it never got to the venue",
    "told_executed": "it never got to the venue",
    "told_absent": "only what was known to rest can be missing, and an answer on its way goes first",
    "told_never_arrived": "the venue has had it, its answer is on its way, or it has ended",
}
ILLEGAL: dict[tuple[OrderState, Happening], str] = {
    (state, happening): _WHY_ILLEGAL[happening]
    for state in STATES
    for happening in HAPPENINGS
    if (state, happening) not in LIFECYCLE
}


class IllegalHappening(Exception):
    """The venue told something of an order that can't follow from its state. It changes nothing."""


def following(state: OrderState, happening: Happening) -> OrderState:
    """Return where a happening leads. Raises IllegalHappening with the table's reason."""
    after = LIFECYCLE.get((state, happening))
    if after is None:
        raise IllegalHappening(f"{happening} of an order that is {state}: {ILLEGAL[state, happening]}")
    return after


def lifecycle_page() -> str:
    """Return the documentation's page, in Markdown: the diagram, the words, and all pairs."""
    edges: dict[tuple[OrderState, OrderState], list[Happening]] = {}
    for (state, happening), after in LIFECYCLE.items():
        if state != after:
            edges.setdefault((state, after), []).append(happening)
    lines = [
        "# The life of an order",
        "",
        "Drawn from the table in `daemon/core/lifecycle.py`; a test rewrites it: `UPDATE_DOCS=1`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> placing: we decide",
        "    [*] --> unknown: recovered from a previous life's journal",
        "    [*] --> resting: adopted from a list or the stream",
        *(f"    {state} --> {after}: {', '.join(names)}" for (state, after), names in edges.items()),
        *(f"    {state} --> [*]" for state in STATES if state not in OPEN),
        "```",
        "",
        "| state | means |",
        "|---|---|",
        *(f"| {state} | {MEANING[state]} |" for state in STATES),
        "",
        "| happening | means |",
        "|---|---|",
        *(f"| {happening} | {MEANING[happening]} |" for happening in HAPPENINGS),
        "",
        "## Every pair",
        "",
        "| state | happening | leads to, or why not |",
        "|---|---|---|",
    ]
    for state in STATES:
        for happening in HAPPENINGS:
            leads = LIFECYCLE.get((state, happening))
            verdict = f"**{leads}**" if leads else f"illegal: {ILLEGAL[state, happening]}"
            lines.append(f"| {state} | {happening} | {verdict} |")
    return "\n".join(lines) + "\n"
