"""The day's record: it stands in the journal as it was decided."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.day_record import DayRecord
from tests.core.samples import structs


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_a_record_survives_the_journal(draw: st.DataObject) -> None:
    """Encoded and decoded it is equal."""
    record = draw.draw(structs(DayRecord))
    assert record == msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=DayRecord)


def test_what_an_older_version_wrote_is_read() -> None:
    """Fields are added at the end, with defaults."""
    assert DayRecord(1, 2, 3, 4, 5) == msgspec.msgpack.decode(
        msgspec.msgpack.encode([1, 2, 3, 4, 5]), type=DayRecord
    )
