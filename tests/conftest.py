"""How the suite is shared by two workers: whole files, and all that waits for real processes in one.

The end-to-end tests mostly wait; what computes has the other core meanwhile. Two of them at one time
would fight for both cores. And a file leaves the log as it found it, for whoever comes next.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

TOGETHER = "tests/e2e/"


class Sharing(LoadFileScheduling):  # type: ignore[misc] # the package is not typed
    """A worker takes a whole file at a time; what starts processes is all taken by one."""

    def _split_scope(self, nodeid: str) -> str:
        """Return what a test is to stay together with."""
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    """Share by `Sharing`, whatever `--dist` says."""
    return Sharing(config, log)


@pytest.fixture(autouse=True, scope="module")
def _log_is_given_back() -> Iterator[None]:
    """What silenced the log, or sent it elsewhere, was for one file."""
    yield
    structlog.reset_defaults()
