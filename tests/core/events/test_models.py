"""Facts about models: what a journal of before and of now says of a swap."""

from __future__ import annotations

import msgspec

from daemon.core import events as e


def test_a_swap_is_journalled_whole() -> None:
    """As an array with its tag, and back."""
    swapped = e.ModelSwapped("default", "models/m/2", "m", "2", "a" * 64, 7, 8)
    encoded = msgspec.msgpack.encode(swapped)
    assert ["ModelSwapped", "default", "models/m/2", "m", "2", "a" * 64, 7, 8] == msgspec.msgpack.decode(
        encoded
    )
    assert swapped == msgspec.msgpack.decode(encoded, type=e.Event)


def test_a_model_without_an_expiry_never_expires() -> None:
    """None is what is said of it."""
    assert e.ModelSwapped("default", "p", "m", "2", "", 7).expires_at is None
