"""Tests of refusals on the wire."""

from __future__ import annotations

from typing import get_args

import pytest

from daemon.exchange.requests import RefusalCode, Refused
from daemon.sandbox.bodies import ApiError
from daemon.sandbox.rest.refusing import accepted

CONFLICTS = {"exchange_is_paused", "trading_is_paused", "order_already_exists", "transfer_already_applied"}
MISSING = {"market_not_found", "not_found", "order_group_not_found"}


def test_what_was_accepted_passes() -> None:
    """Unchanged, None too."""
    assert [5, None] == [accepted(5), accepted(None)]


@pytest.mark.parametrize("code", get_args(RefusalCode))
def test_every_code_has_the_venues_status(code: RefusalCode) -> None:
    """409 for conflicts and pauses, 404 for what isn't there, 403 for the forbidden, 400 for the rest."""
    with pytest.raises(ApiError) as caught:
        accepted(Refused(code, "why"))
    expected = 409 if code in CONFLICTS else 404 if code in MISSING else 403 if code == "forbidden" else 400
    assert expected == caught.value.status
    assert {"code": code, "message": code.replace("_", " "), "details": "why"} == caught.value.object
