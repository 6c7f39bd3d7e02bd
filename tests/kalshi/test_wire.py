"""The structs of the wire."""

from __future__ import annotations

import msgspec
import pytest

from daemon.kalshi import wire
from tests.kalshi.frames import delta

decode = msgspec.json.Decoder(wire.Frame).decode


def test_unknown_fields_are_fine_and_missing_ones_are_not() -> None:
    """The venue adds fields without notice; a required field that is absent is an error."""
    whole = delta("A", 1, "yes", 5000, 100)
    assert isinstance(decode(whole.replace(b'"side"', b'"new_field":{"a":[1]},"side"')), wire.BookDeltaFrame)
    with pytest.raises(msgspec.ValidationError, match="delta_fp"):
        decode(whole.replace(b'"delta_fp"', b'"delta"'))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seq":1', b'"seq":0'),
        (b'"seq":1', b'"seq":"1"'),
        (b'"ts_ms":1790363624342', b'"ts_ms":99999999999999999999'),
        (b'"side":"yes"', b'"side":"maybe"'),
        (b"orderbook_delta", b"orderbook_gamma"),
        (b'"price_dollars":"0.5000"', b'"price_dollars":0.5'),
    ],
)
def test_values_out_of_bounds_are_refused(old: bytes, new: bytes) -> None:
    """Numbers that the journal could not hold, wrong types and unknown words don't pass."""
    whole = delta("A", 1, "yes", 5000, 100)
    assert old in whole
    with pytest.raises(msgspec.ValidationError):
        decode(whole.replace(old, new))


def test_a_frame_may_name_its_type_last() -> None:
    """`unsubscribed` carries its type behind the other fields."""
    assert wire.UnsubscribedFrame(2, 102, 7) == decode(b'{"id":102,"sid":2,"seq":7,"type":"unsubscribed"}')
