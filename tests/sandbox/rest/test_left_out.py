"""Tests of the operations that are left out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.sandbox.rest.left_out import LEFT_OUT
from tests.sandbox.running import running


@pytest.mark.parametrize("below", ["", "/x", "/x/y"])
async def test_they_are_not_found_in_the_documented_shape(tmp_path: Path, below: str) -> None:
    """404, nested: never a market or an event of that name, whatever the method."""
    expected = (404, {"error": {"code": "not_found", "message": "not found"}})
    async with asyncio.timeout(20), running(tmp_path) as client:
        for path in LEFT_OUT:
            concrete = path.format(series="KXBTC15M", event="X") + below
            for method in ("GET", "POST"):
                assert expected == await client.call(method, concrete), concrete
