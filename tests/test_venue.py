"""Where the venue is: demo's addresses as configured, or a real sandbox that ends with the run."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from daemon.config import Config, parse_config
from daemon.core.units import MONEY_ONE, SECOND
from daemon.kalshi.auth import Signer, load_private_key
from daemon.kalshi.errors import Transient
from daemon.kalshi.rest import Rest
from daemon.lab.synthetic import synthetic_tape
from daemon.shell.clock import SystemClock
from daemon.shell.follow import first_tick
from daemon.venue import Address, RunOptions, find_venue, running_venue

TEST_WITHIN_S = 90.0


def config(folder: Path, text: str = "") -> Config:
    return parse_config("config.toml", f'state_dir = "var"\n{text}', folder)


async def cash_at(address: Address) -> int:
    """What the account there has, read with the key that the address names."""
    signer = Signer(address.key_id, load_private_key(address.private_key_file))
    async with Rest(address.rest_url, signer, SystemClock().now) as rest:
        return await rest.balance()


async def test_demo_is_where_the_configuration_says(tmp_path: Path) -> None:
    """No process, no clock channel, and a key path that is relative to the file."""
    text = 'mode = "demo"\n[venue]\nkey_id = "k"\nprivate_key_file = "keys/k.pem"\n'
    async with AsyncExitStack() as stack:
        demo = config(tmp_path, text)
        address = await find_venue(demo, RunOptions(), stack)
    expected = Address(
        rest_url=demo.venue.rest_url,
        ws_url=demo.venue.ws_url,
        reference_ws_url=demo.reference.kraken_ws_url,
        reference_rest_url=demo.reference.kraken_rest_url,
        key_id="k",
        private_key_file=tmp_path / "keys/k.pem",
    )
    assert expected == address
    assert [] == await asyncio.to_thread(os.listdir, tmp_path)


async def test_the_sandbox_is_started_for_the_run_and_keeps_its_account(tmp_path: Path) -> None:
    """Its key signs, its cash is the configured one, it ends with the stack, and its folder stays."""
    async with asyncio.timeout(TEST_WITHIN_S):
        async with AsyncExitStack() as stack:
            subject = config(tmp_path, "[sandbox]\ncash_dollars = 1234\n")
            address = await find_venue(subject, RunOptions(), stack)
            assert address.clock_ws_url is None
            assert not address.is_lockstep
            assert address.private_key_file.is_relative_to(tmp_path / "var/sandbox")
            assert 1_234 * MONEY_ONE == await cash_at(address)
        with pytest.raises(Transient):
            await cash_at(address)
        assert (tmp_path / "var/sandbox").is_dir()


async def test_a_tape_is_played_by_a_sandbox_of_its_own(tmp_path: Path) -> None:
    """Even in mode demo: a fresh folder for each run, the tape's clock, and lockstep at full speed."""
    text = 'mode = "demo"\n[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\n'
    tape = tmp_path / "tape"
    manifest = synthetic_tape(1, 2 * SECOND, tape)
    async with asyncio.timeout(TEST_WITHIN_S):
        folders = set()
        for speed, is_lockstep in ((None, True), (20.0, False)):
            async with AsyncExitStack() as stack:
                address = await find_venue(config(tmp_path, text), RunOptions(tape=tape, speed=speed), stack)
                assert is_lockstep == address.is_lockstep
                assert address.clock_ws_url is not None
                now = await first_tick(address.clock_ws_url)
                assert abs(now - manifest.sessions[0].started_at) < 60 * SECOND
                folders.add(address.private_key_file.parent)
        assert 2 == len(folders)
        assert all(folder.is_relative_to(tmp_path / "var/tape-sandbox") for folder in folders)


async def test_a_running_venue_is_found_and_none_is_started(tmp_path: Path) -> None:
    """A sandbox that a run left or still has; none, and none is made; paper has nothing that could rest."""
    subject = config(tmp_path)
    async with asyncio.timeout(TEST_WITHIN_S):
        assert await running_venue(subject) is None
        async with AsyncExitStack() as stack:
            address = await find_venue(subject, RunOptions(), stack)
            assert address == await running_venue(subject)
        assert await running_venue(subject) is None  # its ready line still lies there
        venue = '[venue]\nkey_id = "k"\nprivate_key_file = "k.pem"\n'
        demo = config(tmp_path, f'mode = "demo"\n{venue}')
        async with AsyncExitStack() as stack:
            assert await find_venue(demo, RunOptions(), stack) == await running_venue(demo)
        assert await running_venue(msgspec.structs.replace(demo, mode="shadow")) is None
