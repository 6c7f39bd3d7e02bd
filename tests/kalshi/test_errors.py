"""What a failure means: one function decides."""

from __future__ import annotations

import aiohttp
import pytest

from daemon.kalshi.errors import (
    Limited,
    Refused,
    Reply,
    Transient,
    Unknown,
    VenueError,
    classify,
    read_error,
)
from tests.kalshi.frames import recorded


@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        (
            b'{"error":{"code":"insufficient_balance","message":"insufficient balance"}}',
            "insufficient_balance",
            "",
        ),
        (
            b'{"error":{"code":"invalid_order","message":"invalid order","details":"post only cross"}}',
            "invalid_order",
            "post only cross",
        ),
        (b'{"code":"bad_request","message":"bad request","details":"json: no"}', "bad_request", "json: no"),
        (b'{"msg":"Parameter validation failed"}', "http_400", "Parameter validation failed"),
        (b'{"error":"too many requests"}', "too_many_requests", ""),
        (b'{"error":{"code":"MARKET_INACTIVE","message":"closed"}}', "market_inactive", "closed"),
        (b"<html>no</html>", "http_400", "<html>no</html>"),
    ],
)
def test_all_body_shapes_give_code_and_details(body: bytes, code: str, details: str) -> None:
    """Nested, flat, bare, string and even HTML: each yields a lower-case code and its details."""
    error = read_error(400, body)
    assert (code, details) == (error.code, error.details)


@pytest.mark.parametrize(
    ("outcome", "on_read", "on_write"),
    [
        (Reply(429, b'{"error":"too many requests"}'), Limited, Limited),
        (Reply(404, b'{"error":{"code":"not_found","message":"not found"}}'), Refused, Refused),
        (Reply(401, b"{}"), Refused, Refused),
        (Reply(400, b"<html>bad request</html>"), Refused, Refused),
        (Reply(400, b'{"error":{"code":"invalid_'), Refused, Refused),
        (Reply(403, b"<html>blocked</html>"), Refused, Refused),
        (Reply(404, b""), Refused, Refused),
        (Reply(408, b""), Transient, Unknown),
        (Reply(409, b'{"error":{"code":"trading_is_paused"}}'), Refused, Refused),
        (Reply(409, b""), Refused, Refused),
        (Reply(410, b'{"error":{"code":"deprecated_v1_order_endpoint"}}'), Refused, Refused),
        (Reply(413, b""), Refused, Refused),
        (Reply(425, b""), Transient, Transient),
        (Reply(425, b"<html>too early</html>"), Transient, Transient),
        (Reply(429, b""), Limited, Limited),
        (Reply(429, b"<html>slow down</html>"), Limited, Limited),
        (Reply(500, b""), Transient, Unknown),
        (Reply(500, b'{"error":{"code":"insufficient_balance"}}'), Transient, Unknown),
        (Reply(503, b'{"code":"service_unavailable"}'), Transient, Unknown),
        (Reply(502, b"<html>"), Transient, Unknown),
        (Reply(504, b'{"error":'), Transient, Unknown),
        (Reply(520, b"<html>web server returned an unknown error</html>"), Transient, Unknown),
        (Reply(200, b""), Transient, Unknown),
        (Reply(201, b'{"order_id":"o-1","fill_'), Transient, Unknown),
        (Reply(204, b""), Transient, Unknown),
        (Reply(200, b"not json"), Transient, Unknown),
        (Reply(302, b""), Transient, Unknown),
        (TimeoutError(), Transient, Unknown),
        (ConnectionResetError("reset"), Transient, Unknown),
        (aiohttp.ServerDisconnectedError(), Transient, Unknown),
        (aiohttp.ClientPayloadError("the body ended early"), Transient, Unknown),
        (OSError("no route"), Transient, Unknown),
        (aiohttp.ConnectionTimeoutError(), Transient, Transient),
        (ConnectionRefusedError("refused"), Transient, Transient),
    ],
)
def test_what_may_have_happened_is_unknown_only_for_a_write(
    outcome: BaseException | Reply, on_read: type[VenueError], on_write: type[VenueError]
) -> None:
    """A write that was sent and not answered is Unknown; a read can always be asked again."""
    assert on_read is type(classify(outcome, is_write=False))
    assert on_write is type(classify(outcome, is_write=True))


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("orders__duplicate_client_order_id", 409, "order_already_exists"),
        ("orders__cancel_already_canceled", 404, "not_found"),
        ("orders__insufficient_balance", 400, "insufficient_balance"),
        ("auth__bad_signature", 401, "authentication_error"),
        ("auth__missing_signature_header", 401, "signature_is_missing_from_headers"),
    ],
)
def test_recorded_errors_are_read(name: str, status: int, code: str) -> None:
    """The bodies that the venue really sent give the documented codes."""
    assert code == read_error(status, recorded(f"demo_2026-06/{name}.json")).code
