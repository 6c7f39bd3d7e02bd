"""A refused key says in which way it is wrong, and what to mend."""

from __future__ import annotations

import json

import pytest

from daemon.core.units import SECOND, parse_instant
from daemon.kalshi.errors import ClockRefused, KeyRefused, Refused
from daemon.kalshi.key_refusals import key_refusal, read_date

NOW = parse_instant("2026-11-21T08:00:40.25Z")
DATE = "Sat, 21 Nov 2026 08:00:09 GMT"


def refusal(
    code: str, details: str = "", *, now: int = NOW, date: str | None = DATE, key_id: str | None = "key-1"
) -> KeyRefused | ClockRefused:
    """What a nested body of status 401 means."""
    body = json.dumps({"error": {"code": code, "message": code.replace("_", " "), "details": details}})
    return key_refusal(body.encode(), host="api.example", key_id=key_id, now=now, venue_date=date)


def test_an_unknown_key_is_told_from_a_wrong_signature() -> None:
    """The first is a key of the other environment, the second a private key of another id."""
    unknown = refusal("authentication_error", "NOT_FOUND")
    wrong = refusal("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
    assert (
        "this key id is unknown at api.example: key-1: a demo key at production, or the other way round?"
        == str(unknown)
    )
    assert "the private key does not belong to the key id key-1 (api.example refuses its signature)" == str(
        wrong
    )
    assert (KeyRefused, KeyRefused) == (type(unknown), type(wrong))


def test_a_key_problem_is_a_refusal_with_the_venues_words() -> None:
    """Who only knows `Refused` sees code and details as ever."""
    error = refusal("authentication_error", "NOT_FOUND")
    assert isinstance(error, Refused)
    assert (401, "authentication_error", "NOT_FOUND") == (error.status, error.code, error.details)


@pytest.mark.parametrize(
    ("ahead_s", "said"), [(31, "we are 31 s ahead of it"), (-31, "we are 31 s behind it")]
)
def test_a_clock_that_is_off_says_by_how_much(ahead_s: int, said: str) -> None:
    """Our time, the venue's, the difference and its direction: no key is to blame."""
    venue_now = parse_instant("2026-11-21T08:00:09Z")
    error = refusal("header_timestamp_expired", now=venue_now + ahead_s * SECOND)
    assert type(error) is ClockRefused
    assert said in str(error)
    assert "api.example's 2026-11-21T08:00:09Z" in str(error)
    ours = "2026-11-21T08:00:40Z" if ahead_s > 0 else "2026-11-21T07:59:38Z"
    assert f"our clock says {ours}" in str(error)


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_a_venue_that_does_not_tell_its_time(date: str | None) -> None:
    """Nothing is invented: our time is told, and that the other isn't known."""
    error = refusal("header_timestamp_expired", date=date)
    assert "2026-11-21T08:00:40Z by our clock, and doesn't tell its own" in str(error)
    assert read_date(date) is None


@pytest.mark.parametrize(
    ("code", "details", "said"),
    [
        ("signature_is_missing_from_headers", "", "does a proxy strip headers?"),
        ("authentication_error", "KEY_EXPIRED", "authentication_error KEY_EXPIRED"),
        ("something_new", "", "does not accept the key key-1: something_new"),
    ],
)
def test_other_reasons_are_passed_on(code: str, details: str, said: str) -> None:
    """What we don't know stands in the message as the venue said it."""
    assert said in str(refusal(code, details))


def test_without_a_key_that_is_said() -> None:
    """A private call of a client that has none."""
    assert "api.example wants a signed request, and no key is configured" == str(
        refusal("signature_is_missing_from_headers", key_id=None)
    )


def test_a_page_of_a_proxy_is_still_a_refusal() -> None:
    """HTML or nothing at all instead of a body: the key is not accepted, for a reason that isn't told."""
    for body in (b"<html>401</html>", b"", b'{"error":'):
        error = key_refusal(body, host="h", key_id="k", now=NOW, venue_date=None)
        assert type(error) is KeyRefused
        assert "h does not accept the key k: http_401" in str(error)
