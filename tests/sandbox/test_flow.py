"""Tests of the protocol of flows."""

from __future__ import annotations

from daemon.sandbox.flow import STEP, Flow, Resumed
from tests.sandbox.scripted import ScriptedFlow
from tests.sandbox.taped import TapedFlow


def test_a_scripted_flow_is_a_flow() -> None:
    """Anything with mode, speed, start, history and advance is one; mypy says so here."""
    flows: list[Flow] = [kind(Resumed(5, 1, None, ())) for kind in (ScriptedFlow, TapedFlow)]
    assert [("traders", 1.0), ("tape", None)] == [(flow.mode, flow.speed) for flow in flows]
    assert 50_000_000 == STEP
