"""Files that only their owner may read: private keys, and who may sign."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, and have it on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, content: bytes) -> None:
    """Replace such a file whole or not at all: a killed process leaves the old one or the new one."""
    beside = path.with_suffix(".tmp")
    write_private(beside, content)
    beside.replace(path)
