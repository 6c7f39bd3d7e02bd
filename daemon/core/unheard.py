"""What the lists told before the stream did: it is waited for, and a stream that stays silent is found out.

A list may be faster than the stream by a moment, and that is no finding. It is one when the private
connection was up and on time for `HEARD_WITHIN` and still said nothing. While it is not well, nothing is
held against it; after a doubt, everything is known to be missing, and what waits is forgotten.
"""

from __future__ import annotations

from typing import TypeAlias

from daemon.core.findings import Drift
from daemon.core.units import SECOND, Ns

HEARD_WITHIN: Ns = 5 * SECOND
"""A word of the private stream takes milliseconds; one that takes longer than this was lost."""
Key: TypeAlias = tuple[str, ...]
"""What the word will be about: ("fill", trade id, order id) or ("order", client order id)."""


class Unheard:
    """What is waited for, by what it is about."""

    def __init__(self) -> None:
        self._awaited: dict[Key, tuple[Drift, Ns]] = {}
        self._well_since: Ns | None = None

    def __len__(self) -> int:
        return len(self._awaited)

    def expect(self, key: Key, drift: Drift, at: Ns) -> None:
        """Wait for the stream's word on what a list told at `at`; `drift` is what its silence means."""
        self._awaited.setdefault(key, (drift, at))

    def hear(self, key: Key) -> None:
        """The stream told it."""
        self._awaited.pop(key, None)

    def forget(self) -> int:
        """Wait for nothing any more, for the stream was down; return how much that was."""
        count = len(self._awaited)
        self._awaited.clear()
        return count

    def overdue(self, *, is_well: bool, now: Ns) -> list[Drift]:
        """Return what was not told in time, and wait for it no longer."""
        if not is_well:
            self._well_since = None
            return []
        if self._well_since is None:
            self._well_since = now
        if not self._awaited:
            return []
        well_since = self._well_since
        late = [key for key, (_, at) in self._awaited.items() if now - max(at, well_since) >= HEARD_WITHIN]
        return [self._awaited.pop(key)[0] for key in late]
