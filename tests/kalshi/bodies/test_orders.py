"""Orders, fills and groups into core structs."""

from __future__ import annotations

import msgspec
import pytest

from daemon.core.events import OrderFilled
from daemon.core.units import SECOND
from daemon.kalshi import bodies

FILL = bodies.Fill("t", "o", "A", "bid", "1.00", "0.5200", True, "0.017500", ts=7)


def test_a_fill_tells_its_time_as_exactly_as_it_can() -> None:
    """Microseconds where they are sent, seconds else, None where there is neither."""
    expected = OrderFilled("t", "o", None, "A", "bid", 5200, 100, 17_500, True, 9, 7 * SECOND)
    assert expected == bodies.order_filled(FILL, 9)
    exact = msgspec.structs.replace(FILL, created_time="1970-01-01T00:00:07.5Z")
    assert 7_500_000_000 == bodies.order_filled(exact, 9).sent_at
    assert bodies.order_filled(msgspec.structs.replace(FILL, ts=None), 9).sent_at is None


def test_an_order_without_a_limit_is_not_guessed() -> None:
    """A group's limit that isn't told is None; a bad number refuses it."""
    group = bodies.GroupReply(is_auto_cancel_enabled=True, orders=[])
    assert (None, ()) == (bodies.order_group("g", group).limit, bodies.order_group("g", group).order_ids)
    with pytest.raises(ValueError, match="many"):
        bodies.order_group("g", msgspec.structs.replace(group, contracts_limit_fp="many"))


@pytest.mark.parametrize("body", [b'{"order_id":"o"}', b'{"order_id":"o","remaining_count":1}'])
def test_an_answer_that_lacks_its_count_is_none(body: bytes) -> None:
    """What is left of an order is never guessed, and never a JSON number."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=bodies.DecreaseReply)
