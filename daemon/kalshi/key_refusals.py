"""What an authentication failure means, in words that tell a person what to mend.

Source: protocol sheet 1.3, 1.4: the four bodies of status 401.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from daemon.core.units import SECOND, Ns
from daemon.kalshi.errors import ClockRefused, KeyRefused, Refused, read_error


def key_refusal(
    body: bytes, *, host: str, key_id: str | None, now: Ns, venue_date: str | None
) -> KeyRefused | ClockRefused:
    """Return what an answer of status 401 means.

    Args:
        body: the answer's.
        host: whom we asked.
        key_id: the key that we signed with; None if we did not sign.
        now: our clock when the request was signed.
        venue_date: the answer's `Date` header; None if it has none.
    """
    refusal = read_error(401, body)
    if key_id is None:
        return KeyRefused(refusal, f"{host} wants a signed request, and no key is configured")
    if refusal.code == "header_timestamp_expired":
        return ClockRefused(refusal, _clock_advice(host, now, venue_date))
    return KeyRefused(refusal, _key_advice(refusal, host, key_id))


def _key_advice(refusal: Refused, host: str, key_id: str) -> str:
    match refusal.code, refusal.details.upper():
        case "authentication_error", "NOT_FOUND":
            return (
                f"this key id is unknown at {host}: {key_id}:"
                " a demo key at production, or the other way round?"
            )
        case "authentication_error", "INCORRECT_API_KEY_SIGNATURE":
            return f"the private key does not belong to the key id {key_id} ({host} refuses its signature)"
        case "signature_is_missing_from_headers", _:
            return f"{host} got our request without its signature: does a proxy strip headers?"
        case _:
            said = f"{refusal.code} {refusal.details}".strip()
            return f"{host} does not accept the key {key_id}: {said}"


def _clock_advice(host: str, now: Ns, venue_date: str | None) -> str:
    venue_now = read_date(venue_date)
    ours = _shown(now)
    if venue_now is None:
        return f"{host} refuses the time of our requests, {ours} by our clock, and doesn't tell its own"
    # The header has whole seconds, so the difference is good to one.
    off_s = (now - venue_now) // SECOND
    way = "ahead of" if off_s > 0 else "behind"
    return (
        f"our clock says {ours} and {host}'s {_shown(venue_now)}:"
        f" we are {abs(off_s)} s {way} it; synchronize this machine's clock"
    )


def read_date(header: str | None) -> Ns | None:
    """Return a `Date` header as an instant, exact to a second; None if absent or not a date."""
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp()) * SECOND
    except (ValueError, OverflowError):
        return None


def _shown(at: Ns) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat().replace("+00:00", "Z")
