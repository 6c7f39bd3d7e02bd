"""The lifecycle: the table is total, closed never reopens, and the documentation is drawn from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.core.lifecycle import (
    HAPPENINGS,
    ILLEGAL,
    IN_FLIGHT,
    LIFECYCLE,
    MEANING,
    OPEN,
    STATES,
    Happening,
    IllegalHappening,
    OrderState,
    following,
    lifecycle_page,
)

PAGE = Path(__file__).parents[2] / "daemon" / "LIFECYCLE.md"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("happening", HAPPENINGS)
def test_every_pair_is_legal_or_an_error_with_its_reason(state: OrderState, happening: Happening) -> None:
    """Exactly one of the two tables has the pair, and what is illegal says why."""
    pair = (state, happening)
    assert (pair in LIFECYCLE) != (pair in ILLEGAL)
    if pair in LIFECYCLE:
        assert following(state, happening) == LIFECYCLE[pair]
    else:
        with pytest.raises(IllegalHappening, match=r"[a-z]: [a-z]"):
            following(state, happening)


def test_closed_never_reopens() -> None:
    """No edge leads from a closed state anywhere else: late words change nothing."""
    assert [] == [edge for edge, end in LIFECYCLE.items() if edge[0] not in OPEN and end != edge[0]]


def test_every_state_is_reached_and_every_open_one_is_left() -> None:
    """No state is a word only, and from each open state an order comes to an end."""
    assert set(STATES) == {"placing", *LIFECYCLE.values()}
    ends = {state for state in STATES if state not in OPEN}
    reaching = set(ends)
    for _ in STATES:
        reaching |= {state for (state, _), after in LIFECYCLE.items() if after in reaching}
    assert set(STATES) == reaching


def test_only_the_venues_word_leads_out_of_unknown() -> None:
    """Nothing that we do ourselves resolves an unknown outcome."""
    ours = {"amend_requested", "cancel_requested", "place_dropped", "cancel_dropped", "amend_settled"}
    assert [] == [edge for edge in LIFECYCLE if edge[0] == "unknown" and edge[1] in ours]


def test_nothing_is_asked_of_an_order_with_an_answer_outstanding() -> None:
    """Amends and cancels start from `resting` alone."""
    asked = {"amend_requested", "cancel_requested"}
    assert {"resting"} == {state for state, happening in LIFECYCLE if happening in asked}
    assert IN_FLIGHT == OPEN - {"resting"}


def test_every_word_is_explained() -> None:
    """Each state and each happening has its line in the documentation."""
    assert {*STATES, *HAPPENINGS} == set(MEANING)


def test_the_page_is_drawn_from_the_table() -> None:
    """`daemon/LIFECYCLE.md` can't rot: UPDATE_DOCS=1 rewrites it."""
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(lifecycle_page(), encoding="utf-8")
    assert lifecycle_page() == PAGE.read_text(encoding="utf-8")
