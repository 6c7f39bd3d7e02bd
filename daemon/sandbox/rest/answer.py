"""How every REST call answers: a JSON body in the venue's order of keys, and what a call is.

An error is raised, never returned: `daemon.sandbox.bodies` has its shapes, the server writes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from daemon.sandbox.bodies import json_body

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


def answer(body: object, status: int = 200) -> web.Response:
    """Return a JSON response."""
    return web.Response(body=json_body(body), status=status, content_type="application/json")
