"""Facts about the configuration: what a journal says of a change."""

from __future__ import annotations

import msgspec

from daemon.core import events as e
from tests.core.worlds import LIMITS


def test_a_change_is_journalled_whole() -> None:
    """As an array with its tag; the limits in it by name, so that one that is added later is off in it."""
    changed = e.ConfigChanged("a" * 64, LIMITS, ("alpha",), "[]", 7)
    encoded = msgspec.msgpack.encode(changed)
    tag, sha256, limits, *others = msgspec.msgpack.decode(encoded)
    assert ("ConfigChanged", "a" * 64, [["alpha"], "[]", 7, None]) == (tag, sha256, others)
    assert LIMITS.order_qty_max == limits["order_qty_max"]
    assert changed == msgspec.msgpack.decode(encoded, type=e.Event)
