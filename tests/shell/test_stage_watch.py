"""Stages: each nanosecond of a measured turn is charged once, and the core is left as it was found."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.models import DEFAULT, Model
from daemon.shell.stage_watch import STAGES, StageWatch
from tests.core.test_models import Said, lived
from tests.core.worlds import NOW, Scripted, engine


@given(st.lists(st.tuples(st.sampled_from(["apply", "decide", "feature", "predict"]), st.integers(0, 10**6))))
def test_what_the_stages_took_is_what_the_turn_took(marks: list[tuple[str, int]]) -> None:
    """However often a stage is come to: one figure a turn for each, which add up to the whole."""
    with pytest.MonkeyPatch.context() as patch:
        clock = [1_000]
        patch.setattr(time, "perf_counter_ns", lambda: clock[0])
        watch, subject = StageWatch(), engine(Scripted())
        watch.begin(subject)
        clock[0] += 7
        watch.mark("journal")
        for stage, took in marks:
            clock[0] += took
            watch.mark(stage)
        clock[0] += 11
        watch.end(subject)
    assert (1, 7) == (watch.journal_append.count, watch.journal_append.sum_ns)
    stages = {stage: sum(took for one, took in marks if one == stage) for stage in dict(marks)}
    stages["decide"] = stages.get("decide", 0) + 11
    assert {name: (1, took) for name, took in stages.items()} == {
        name: (one.count, one.sum_ns) for name, one in watch.stages.items() if one.count
    }


def test_a_decision_tells_its_stages_while_it_is_measured_and_then_no_more() -> None:
    """A market that is scored has made its row and asked its model; the next turn is not measured."""
    subject, watch = lived({DEFAULT: Model(Said(0.5))}), StageWatch()
    watch.begin(subject)
    watch.mark("journal")
    watch.mark("apply")
    subject.decide(NOW)
    watch.end(subject)
    subject.state.touch_all()
    subject.decide(NOW + 1)
    counts = {stage: watch.stages[stage].count for stage in STAGES}
    assert {"parse": 0, "apply": 1, "feature": 1, "predict": 1, "decide": 1} == counts
