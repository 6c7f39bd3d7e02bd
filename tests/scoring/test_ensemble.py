"""An ensemble: the formula of its stack, the members it does without, and what it needs of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.scorer import FeatureSchema, MemberScorer, Output
from daemon.scoring.ensemble import (
    EnsembleScorer,
    Member,
    MemberEntry,
    NoMember,
    Stacking,
    read_stacking,
    union_schema,
)
from daemon.scoring.metadata import ModelRefused

PATH = Path("m/1/ensemble.json")
SCHEMA = FeatureSchema(("mid", "spread", "ofi_1s"))
ROW = (0.4, 0.02, 5.0)
P = st.floats(0.001, 0.999)
WEIGHT = st.floats(0.01, 3)


class Says:
    """A member that says one thing, and remembers what it was asked."""

    version = "1"

    def __init__(
        self, p: float, names: Sequence[str] = ("mid",), required: Sequence[str] = ("mid",),
        output: Output = "probability",
    ) -> None:  # fmt: skip
        self.name = "-".join(names)
        self.p = p
        self.schema = FeatureSchema(tuple(names))
        self.required = frozenset(required)
        self.output = output
        self.asked: list[tuple[float | None, ...]] = []

    def score(self, row: Sequence[float | None]) -> float:
        self.asked.append(tuple(row))
        return self.p


def stacking(weights: Sequence[float], intercept: float = 0.0) -> Stacking:
    entries = (
        MemberEntry(name=f"m{place}", version="1", metadata_sha256="0" * 64, weight=weight)
        for place, weight in enumerate(weights)
    )
    return Stacking(intercept=intercept, members=tuple(entries))


def ensemble(
    members: Sequence[Member | None], weights: Sequence[float] | None = None, intercept: float = 0.0,
    required: frozenset[str] = frozenset(),
) -> EnsembleScorer:  # fmt: skip
    if weights is None:
        weights = [1.0 if member is None else member.weight for member in members]
    return EnsembleScorer(
        stacking(weights, intercept), members, name="e", version="1", schema=SCHEMA, required=required
    )


def logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@given(st.lists(st.tuples(P, WEIGHT), min_size=2, max_size=5), st.floats(-2, 2))
def test_it_is_the_sigmoid_of_the_weighted_logits(members: list[tuple[float, float]], b: float) -> None:
    """With all members: sigmoid(b + sum of w logit(p)), cut only at a billionth."""
    scorer = ensemble([Member(Says(p), weight) for p, weight in members], intercept=b)
    expected = sigmoid(b + sum(weight * logit(p) for p, weight in members))
    assert expected == pytest.approx(scorer.score(ROW), rel=1e-9, abs=2e-9)
    assert scorer.members_absent == 0


@given(P, st.lists(WEIGHT, min_size=2, max_size=5), st.floats(-2, 2), st.data())
def test_members_that_agree_may_be_absent(
    p: float, weights: list[float], b: float, choice: st.DataObject
) -> None:
    """The others' weights are scaled to the whole, the intercept is kept: fewer say the same."""
    here = choice.draw(st.sets(st.integers(0, len(weights) - 1), min_size=1))
    members = [Member(Says(p), weight) if place in here else None for place, weight in enumerate(weights)]
    everyone = ensemble([Member(Says(p), weight) for weight in weights], intercept=b)
    fewer = ensemble(members, weights, b)
    assert everyone.score(ROW) == pytest.approx(fewer.score(ROW), rel=1e-9, abs=2e-9)
    assert fewer.members_absent == len(weights) - len(here)


def test_what_is_left_counts_by_its_share() -> None:
    """Of weights .5, .3 and .2 without the second: the others count 5/7 and 2/7 of the whole."""
    scorer = ensemble([Member(Says(0.8), 0.5), None, Member(Says(0.3), 0.2)], [0.5, 0.3, 0.2], -0.1)
    expected = sigmoid(-0.1 + 5 / 7 * logit(0.8) + 2 / 7 * logit(0.3))
    assert expected == pytest.approx(scorer.score(ROW), rel=1e-12)


def test_each_member_is_asked_its_own_columns() -> None:
    """A member gets its features in its own order, whatever stands in the ensemble's."""
    first = Says(0.5, ("ofi_1s", "mid"))
    ensemble([Member(first, 1.0), Member(Says(0.5), 1.0)]).score(ROW)
    assert [(5.0, 0.4)] == first.asked


def test_a_member_that_lacks_a_feature_is_absent_for_that_row() -> None:
    """It is not asked, the others answer, and at the next row it is back."""
    thin = Says(0.9, ("spread",), ("spread",))
    scorer = ensemble([Member(Says(0.6), 1.0), Member(thin, 1.0)])
    alone = scorer.score((0.4, None, 5.0))
    assert (sigmoid(2 * logit(0.6)), 1, []) == (pytest.approx(alone), scorer.members_absent, thin.asked)
    scorer.score(ROW)
    assert (0, 1) == (scorer.members_absent, len(thin.asked))


def test_a_member_gets_what_it_can_do_without_as_missing() -> None:
    """A feature that a member doesn't require is passed on as None."""
    able = Says(0.5, ("mid", "spread"), ("mid",))
    ensemble([Member(able, 1.0), Member(Says(0.5), 1.0)]).score((0.4, None, 5.0))
    assert [(0.4, None)] == able.asked


def test_an_expired_member_is_absent_from_then_on() -> None:
    """At its expiry, by the time that it is told, never by a clock of its own."""
    scorer = ensemble([Member(Says(0.6), 1.0, expires_at=100), Member(Says(0.8), 1.0, expires_at=200)])
    found = []
    for now in (99, 100, 199):
        scorer.expire(now)
        found.append((round(scorer.score(ROW), 6), scorer.members_absent))
    both, one = sigmoid(logit(0.6) + logit(0.8)), sigmoid(2 * logit(0.8))
    assert [(round(both, 6), 0), (round(one, 6), 1), (round(one, 6), 1)] == found
    scorer.expire(200)
    with pytest.raises(NoMember):
        scorer.score(ROW)
    assert scorer.members_absent == 2


def test_with_no_member_left_there_is_no_score() -> None:
    """A row that none can score is an error that says so, never the intercept."""
    scorer = ensemble([Member(Says(0.6), 1.0), Member(Says(0.8, ("spread",), ("spread",)), 1.0)])
    with pytest.raises(NoMember, match="none of the 2 members of e/1 can score this row"):
        scorer.score((None, None, 5.0))
    assert scorer.members_absent == 2


def test_where_all_are_needed_there_is_no_score_without_one() -> None:
    """A residual is nothing without its base: no missing value, expiry or missing folder scales it."""
    base, rest = Says(0.6), Says(0.7, ("mid", "spread"), ("mid", "spread"))
    both = msgspec.structs.replace(stacking([1.0, 1.0]), needs_all=True)
    terms: dict[str, Any] = {"name": "e", "version": "1", "schema": SCHEMA, "required": frozenset({"mid"})}
    scorer = EnsembleScorer(both, [Member(base, 1.0), Member(rest, 1.0, expires_at=5)], **terms)
    assert sigmoid(logit(0.6) + logit(0.7)) == pytest.approx(scorer.score(ROW))
    with pytest.raises(NoMember, match="e/1 needs all 2 members, 1 can score this row"):
        scorer.score((0.4, None, 5.0))
    scorer.expire(5)
    with pytest.raises(NoMember, match="needs all 2 members"):
        scorer.score(ROW)
    with pytest.raises(ValueError, match="needs all of its 2 members, 1 are here"):
        EnsembleScorer(both, [Member(base, 1.0), None], **terms)


def test_the_core_knows_it_as_one_of_members() -> None:
    """It has what the core's protocol asks of a scorer of several members."""
    assert isinstance(ensemble([Member(Says(0.5), 1.0), None]), MemberScorer)
    assert not isinstance(Says(0.5), MemberScorer)


def test_another_length_is_an_error() -> None:
    """A row that isn't the schema's is never padded or cut."""
    with pytest.raises(ValueError, match="a row of 2 values, expected 3"):
        ensemble([Member(Says(0.5), 1.0), None]).score((0.4, 0.02))


@pytest.mark.parametrize(
    ("members", "required", "message"),
    [
        ([None, None], (), "none of its members is here"),
        ([Member(Says(0.5, ("vega",), ()), 1.0), None], (), "member vega/1 needs 'vega', not in the schema"),
        ([Member(Says(0.5, output="change"), 1.0), None], (), "member mid/1 says no probability"),
        ([Member(Says(0.5), 1.0), None], ("spread",), "'spread' is required, but member mid/1 needs it not"),
    ],
)
def test_members_that_do_not_fit_are_refused(
    members: list[Member | None], required: Sequence[str], message: str
) -> None:
    """All absent, a foreign feature, a change, a requirement that would silence an able member."""
    with pytest.raises(ValueError, match=message):
        ensemble(members, required=frozenset(required))


def test_the_union_is_in_the_order_of_the_members() -> None:
    """Each feature once, where it first comes."""
    schemas = [FeatureSchema(("b", "a")), FeatureSchema(("c", "a", "d"))]
    assert FeatureSchema(("b", "a", "c", "d")) == union_schema(schemas)


def entry(**changes: object) -> dict[str, object]:
    return {"name": "a", "version": "1", "metadata_sha256": "0" * 64, "weight": 1.0, **changes}


def stack(*members: dict[str, object], **changes: object) -> bytes:
    return msgspec.json.encode({"intercept": 0.0, "members": members, **changes})


OTHER = entry(name="b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stack(entry()), r"length >= 2.*\$\.members"),
        (stack(entry(), entry()), r"members\[1\] is a/1, which is one already"),
        (stack(entry(), OTHER, intercept=1e3), r"<= 100.*\$\.intercept"),
        (stack(entry(), OTHER, intercept=None), r"Expected `float`, got `null` - at `\$\.intercept`"),
        (stack(OTHER, entry(weight=0)), r"> 0.*\$\.members\[1\]\.weight"),
        (stack(OTHER, entry(name="../b")), r"\$\.members\[1\]\.name"),
        (stack(OTHER, entry(version="..")), r"\$\.members\[1\]\.version"),
        (stack(OTHER, entry(metadata_sha256="")), r"\$\.members\[1\]\.metadata_sha256"),
        (stack(entry(), OTHER, x=1), r"unknown field `x`"),
        (b"[" * 100_000, "ensemble"),
    ],
)
def test_a_wrong_file_is_refused_by_place(content: bytes, message: str) -> None:
    """The error names the file, the place and what is allowed; no member leads out of the registry."""
    with pytest.raises(ModelRefused, match=r"m/1/ensemble\.json: ") as refused:
        read_stacking(content, PATH)
    assert refused.match(message)
