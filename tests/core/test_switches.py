"""Switches: a strategy is on until it is switched off, and the first reason stays."""

from __future__ import annotations

from daemon.core.events import StrategySwitched
from daemon.core.switches import BY_CONFIG, SwitchedOff, Switches


def test_a_switch_turns_off_and_on() -> None:
    """The last word holds."""
    switches = Switches()
    assert not switches.is_off("alpha")
    switches.apply(StrategySwitched("alpha", False, "losing", 7))
    assert (True, False) == (switches.is_off("alpha"), switches.is_off("beta"))
    assert {"alpha": SwitchedOff("losing", "cli", 7)} == switches.off
    switches.apply(StrategySwitched("alpha", True, "mended", 8))
    assert {} == switches.off


def test_the_first_reason_stays() -> None:
    """What is off because it raised is not off because somebody said so again."""
    switches = Switches()
    switches.turn_off("alpha", "KeyError: 'x'", "raised", 7)
    switches.apply(StrategySwitched("alpha", False, "me too", 8))
    assert SwitchedOff("KeyError: 'x'", "raised", 7) == switches.off["alpha"]
    assert 1 == switches.changes_total


def test_only_changes_are_counted() -> None:
    """Whoever tells of switches tells each once."""
    switches = Switches()
    switches.apply(StrategySwitched("alpha", True, "is on already", 7))
    assert 0 == switches.changes_total


def test_a_person_s_word_outlives_the_configuration_s() -> None:
    """Switched off by hand while it is not enabled, it is not switched on by being enabled again."""
    switches = Switches()
    switches.turn_off("alpha", "not enabled in the configuration", BY_CONFIG, 7)
    switches.apply(StrategySwitched("alpha", False, "losing", 8))
    switches.turn_off("alpha", "not enabled in the configuration", BY_CONFIG, 9)
    assert SwitchedOff("losing", "cli", 8) == switches.off["alpha"]
    assert 2 == switches.changes_total
