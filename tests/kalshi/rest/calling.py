"""A client and a scripted venue, and the bodies that several tests ask it for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from daemon.core.units import MILLISECOND
from daemon.kalshi.rest import Rest
from tests.kalshi.venue import Venue, serving

NOW = 1_790_366_080_909 * MILLISECOND


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[Venue, Rest]]:
    """A venue and a client of it, bounded in time."""
    async with asyncio.timeout(20), serving() as venue, Rest(venue.url, None, lambda: NOW) as rest:
        yield venue, rest


def tell(venue: Venue, path: str, body: object, method: str = "GET", status: int = 200) -> None:
    """Let the venue answer a path with an object."""
    venue.answer(method, path, status, json.dumps(body))


def asked(venue: Venue) -> list[str]:
    """Return what was asked for: paths with their queries, without the base."""
    return [path.removeprefix("/trade-api/v2") for _, path, _ in venue.requests]
