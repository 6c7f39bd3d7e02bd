"""Work that gives way: less for it, the same for its caller, and its errors reach him."""

from __future__ import annotations

import os
import threading

import pytest

from daemon.shell.giving_way import NICENESS, give_way


def niceness() -> int:
    """The calling thread's."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_the_work_gives_way_and_its_caller_stays_as_he_is() -> None:
    """It is nicer by as much as is said, or was already; what it returns is returned."""
    before = niceness()
    assert max(before, NICENESS) == give_way(niceness)
    assert before == niceness()


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(65)])
def test_its_errors_reach_who_waits(error: BaseException) -> None:
    """An exit too: a command ends with the code that it was given."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        give_way(fail)
    assert error is raised.value
