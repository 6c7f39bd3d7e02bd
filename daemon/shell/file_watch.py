"""Whether a file has another content, and has it for good: not while an editor writes or renames.

A file is its content here: the same one written anew is no change, and what was tried is not tried again. So
one that is wrong is refused once, and the content from before, put back, is tried once more.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

QUIET_S = 2.0
"""How long a content must stand before it is tried."""


def content_of(path: Path) -> str:
    """Return the fingerprint of a file's content, or why it can't be read. Blocks while the disk works."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"{type(error).__name__}: {error}"


class FileWatch:
    """One file. Told what it holds and the time, in seconds; to be asked about once a second."""

    def __init__(self) -> None:
        self._seen: str | None = None
        self._since_s = 0.0
        self._tried: str | None = None

    def is_due(self, content: str, now_s: float) -> bool:
        """Whether a content has stood long enough, and was not the last that was tried."""
        if content != self._seen:
            self._seen, self._since_s = content, now_s
        return content != self._tried and now_s - self._since_s >= QUIET_S

    def note_tried(self, content: str) -> None:
        """Take down that this content was tried, whatever came of it."""
        self._tried = content
