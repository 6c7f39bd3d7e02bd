"""Tests of keys and signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from daemon.core.units import SECOND
from daemon.sandbox.api_keys import generate, public_text
from daemon.sandbox.auth import KeyRing, Verifier, is_public, load_or_make_keys
from daemon.sandbox.bodies import ApiError
from tests.sandbox.running import signed

NOW = 1_790_000_000_000_000_000
PATH = "/trade-api/v2/portfolio/orders"


def refusal(call: Callable[[], object]) -> object:
    with pytest.raises(ApiError) as refused:
        call()
    assert 401 == refused.value.status
    return json.loads(refused.value.body)


def made(folder: Path) -> tuple[KeyRing, Verifier]:
    keys = load_or_make_keys(folder)
    return keys, Verifier(keys, "client")


def test_both_kinds_of_key_sign(tmp_path: Path) -> None:
    """Ed25519 and RSA-PSS signatures over ts + METHOD + path are accepted."""
    keys, verifier = made(tmp_path)
    for key in (keys.ed25519, keys.rsa):
        headers = signed(key.key_id, Path(key.path).read_bytes(), "GET", PATH, NOW)
        assert "client" == verifier.verify(headers, "GET", PATH, NOW)


def test_keys_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    """A second start finds the same keys; nobody else can read them."""
    first = load_or_make_keys(tmp_path)
    assert first == load_or_make_keys(tmp_path)
    for key in (first.ed25519, first.rsa):
        assert 0o600 == Path(key.path).stat().st_mode & 0o777


def test_the_four_refusals_have_the_recorded_bodies(tmp_path: Path) -> None:
    """Bad signature, unknown key, no signature, timestamp outside the window."""
    keys, verifier = made(tmp_path)
    pem = Path(keys.ed25519.path).read_bytes()
    good = signed(keys.ed25519.key_id, pem, "GET", PATH, NOW)

    def error(details: str) -> object:
        code = "authentication_error"
        return {"error": {"code": code, "message": code, "details": details}}

    assert error("INCORRECT_API_KEY_SIGNATURE") == refusal(lambda: verifier.verify(good, "POST", PATH, NOW))
    stranger = good | {"KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"}
    assert error("NOT_FOUND") == refusal(lambda: verifier.verify(stranger, "GET", PATH, NOW))
    bare = {name: value for name, value in good.items() if "SIGNATURE" not in name}
    assert {
        "error": {
            "code": "signature_is_missing_from_headers",
            "message": "signature is missing from headers",
        }
    } == refusal(lambda: verifier.verify(bare, "GET", PATH, NOW))
    for now in (NOW + 16 * SECOND, NOW - 61 * SECOND):
        assert {
            "error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}
        } == refusal(partial(verifier.verify, good, "GET", PATH, now))


def test_the_window_is_15_s_back_and_60_s_ahead(tmp_path: Path) -> None:
    """Its edges are inside."""
    keys, verifier = made(tmp_path)
    headers = signed(keys.ed25519.key_id, Path(keys.ed25519.path).read_bytes(), "GET", PATH, NOW)
    for now in (NOW + 15 * SECOND, NOW - 60 * SECOND):
        assert "client" == verifier.verify(headers, "GET", PATH, now)


def test_garbage_signatures_are_refused(tmp_path: Path) -> None:
    """What is no base64, or a timestamp that is no number, is a refusal and no crash."""
    keys, verifier = made(tmp_path)
    good = signed(keys.ed25519.key_id, Path(keys.ed25519.path).read_bytes(), "GET", PATH, NOW)
    refusal(lambda: verifier.verify(good | {"KALSHI-ACCESS-SIGNATURE": "!"}, "GET", PATH, NOW))
    refusal(lambda: verifier.verify(good | {"KALSHI-ACCESS-TIMESTAMP": "-5"}, "GET", PATH, NOW))


def test_a_bound_key_speaks_for_its_subaccount(tmp_path: Path) -> None:
    """Under the exchange's name of it; a request that names none means it, one that names another is 403."""
    _, verifier = made(tmp_path)
    pem, public = generate("ed25519")
    key = verifier.keys.register("bound", public_text(public), ("read", "write"), 3)
    headers = signed(key.api_key_id, pem, "GET", PATH, NOW)
    signer = verifier.admit(headers, "GET", PATH, NOW)
    assert ("client#3", "client#3") == (signer.account, verifier.verify(headers, "GET", PATH, NOW))
    assert (3, 3) == (signer.subaccount_asked(None), signer.subaccount_asked(3))
    with pytest.raises(ApiError) as refused:
        signer.subaccount_asked(0)
    assert 403 == refused.value.status


def test_admission_asks_for_the_scope(tmp_path: Path) -> None:
    """A good signature of a key that may not is 403, not 401."""
    _, verifier = made(tmp_path)
    pem, public = generate("rsa")
    key = verifier.keys.register("reader", public_text(public), ("read",), None)
    headers = signed(key.api_key_id, pem, "POST", "/trade-api/v2/portfolio/events/orders", NOW)
    with pytest.raises(ApiError) as refused:
        verifier.admit(headers, "POST", "/trade-api/v2/portfolio/events/orders", NOW)
    assert 403 == refused.value.status


def test_public_paths_are_told_from_private_ones() -> None:
    """By their beginning, with the prefix."""
    public = ("/markets/X", "/historical/trades", "/account/endpoint_costs", "/exchange/status")
    private = ("/portfolio/balance", "/historical/fills", "/account/limits", "/api_keys")
    assert [True] * 4 == [is_public(f"/trade-api/v2{path}") for path in public]
    assert [False] * 4 == [is_public(f"/trade-api/v2{path}") for path in private]
