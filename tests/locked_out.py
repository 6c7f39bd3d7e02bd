"""For tests of what a stranger meets: our own right to enter a folder, taken for a while."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION_3 = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root enter anywhere. Source: capabilities(7)."""


@contextmanager
def locked_out(folder: Path) -> Iterator[None]:
    """Take every right to a folder, and from this thread what makes root need none."""
    mode, effective = folder.stat().st_mode, _effective()
    folder.chmod(0)
    _effective(effective & ~_OVERRIDES)
    try:
        yield
    finally:
        _effective(effective)
        folder.chmod(mode)


def _effective(wanted: int | None = None) -> int:
    """Return the first 32 capabilities that this thread has in effect; set them before, if wanted."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert 0 == libc.capget(header, sets), ctypes.get_errno()
    if wanted is not None:
        sets[0] = wanted
        assert 0 == libc.capset(header, sets), ctypes.get_errno()
    return sets[0]
