"""Everything that can go wrong with the venue, and the one function that says what a failure means.

    KalshiError
    ├── BadKey              a key file that we can't or won't use
    ├── BadFrame            a WebSocket frame or a listed thing of a shape that we refuse
    └── VenueError          a REST request failed
        ├── Transient       it did not happen, or asking again is harmless: retry with backoff
        │   ├── Limited     there were too many: the venue's token bucket is empty
        │   └── Unreadable  a read's answer is of a shape that we refuse: asking again may not mend it
        ├── Refused         the venue said no: retrying says the same thing again
        │   ├── ReadOnly      we ourselves: this way to the venue only reads, and nothing was sent
    │   ├── KeyRefused    it does not accept our API key: nothing will work until a person mends it
        │   └── ClockRefused  it does not accept our time: our clock is off
        └── Unknown         a write that may have happened: nothing else until reconciled

Whether a failure is Transient, Refused or Unknown is decided by `classify` and nowhere else.
"""

from __future__ import annotations

import aiohttp
import msgspec

_DETAILS_CHARS_MAX = 300
_TOO_EARLY = 425
"""Refused before anything was done, as 429 is."""


class KalshiError(Exception):
    """Base of all errors of this room."""


class BadKey(KalshiError):
    """A key file can't be used. The text names the file and never says what is in it."""


class BadFrame(KalshiError):
    """Something that the venue sent is not of a shape that we know.

    `shape` is a short stable name to count by; `detail` says what was wrong with this one.
    """

    def __init__(self, shape: str, detail: str) -> None:
        super().__init__(f"{shape}: {detail}")
        self.shape = shape
        self.detail = detail


class VenueError(KalshiError):
    """A request to the venue failed."""


class Transient(VenueError):
    """The request did not happen, or was a read: it may be sent again, after a while."""


class Limited(Transient):
    """Refused before anything was done, because the venue's token bucket was empty (429)."""


class Unreadable(Transient):
    """A read was answered with something else than what was asked for: schema drift, if it repeats.

    `endpoint` is the path without its tickers and ids; `reason` names the field and what is allowed there.
    """

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint}: unreadable answer: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class Refused(VenueError):
    """The venue answered no. `code` is lower case; `details` may be empty."""

    def __init__(self, status: int, code: str, details: str) -> None:
        super().__init__(f"HTTP {status} {code}: {details}" if details else f"HTTP {status} {code}")
        self.status = status
        self.code = code
        self.details = details


class ReadOnly(Refused):
    """A write on a connection that only reads: refused before a socket was opened."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(0, "read_only", f"{method} {path}: nothing is ever sent to this venue")


class KeyRefused(Refused):
    """The venue does not accept our API key. `advice` says which of the ways it is wrong in, for a person."""

    def __init__(self, refusal: Refused, advice: str) -> None:
        super().__init__(refusal.status, refusal.code, refusal.details)
        self.advice = advice

    def __str__(self) -> str:
        return self.advice


class ClockRefused(Refused):
    """The venue does not accept our requests' time. `advice` says how far our clock is off, for a person."""

    def __init__(self, refusal: Refused, advice: str) -> None:
        super().__init__(refusal.status, refusal.code, refusal.details)
        self.advice = advice

    def __str__(self) -> str:
        return self.advice


class Unknown(VenueError):
    """A write may or may not have happened: timeout, reset, 5xx, or an answer that can't be read."""


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer: its status and its whole body."""

    status: int
    body: bytes


class _ErrorBody(msgspec.Struct, frozen=True):
    """The flat and the bare shape; the nested one holds a flat one in `error`, the short one a string."""

    error: _ErrorBody | str | None = None
    code: str | None = None
    message: str | None = None
    details: str | None = None
    msg: str | None = None


_decode_error = msgspec.json.Decoder(_ErrorBody).decode


def classify(outcome: BaseException | Reply, *, is_write: bool) -> VenueError:
    """Return what a failed request means.

    Args:
        outcome: the exception that ended the request, or the answer: one with an error status, or one
            of success whose body can't be read as what we asked for.
        is_write: whether the request changes something at the venue (place, amend, cancel).
    """
    if isinstance(outcome, Reply):
        return _classify_reply(outcome, is_write=is_write)
    text = f"{type(outcome).__name__}: {outcome}" if str(outcome) else type(outcome).__name__
    if not is_write or _was_never_sent(outcome):
        return Transient(text)
    return Unknown(text)


def read_error(status: int, body: bytes) -> Refused:
    """Return an error body as a `Refused`, from any of the four documented shapes.

    Source: protocol sheet 4.5: nested, flat, bare (`msg`), string.
    """
    try:
        parsed = _decode_error(body)
    except msgspec.MsgspecError:
        text = body[:_DETAILS_CHARS_MAX].decode(errors="replace").strip()
        return Refused(status, f"http_{status}", text)
    inner = parsed.error
    if isinstance(inner, str):
        return Refused(status, inner.strip().lower().replace(" ", "_"), "")
    if inner is None:
        inner = parsed
    # The code is usually the message with underscores, so a message that only repeats it says nothing.
    message = inner.message or ""
    code = (inner.code or message.replace(" ", "_") or f"http_{status}").lower()
    details = inner.details or inner.msg or ("" if message.lower().replace(" ", "_") == code else message)
    return Refused(status, code, details[:_DETAILS_CHARS_MAX])


def _classify_reply(reply: Reply, *, is_write: bool) -> VenueError:
    status = reply.status
    if status in (_TOO_EARLY, 429):
        kind = Limited if status == 429 else Transient
        return kind(f"HTTP {status}: {read_error(status, reply.body).code}")
    if 400 <= status < 500 and status != 408:  # 408 says that time ran out, not that nothing happened
        return read_error(status, reply.body)
    text = f"HTTP {status}: {reply.body[:_DETAILS_CHARS_MAX].decode(errors='replace').strip()}"
    if status < 400:
        text = f"unreadable answer, {text}"
    return Unknown(text) if is_write else Transient(text)


def _was_never_sent(error: BaseException) -> bool:
    """Whether the request failed before a byte of it left: no connection was made."""
    return isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | ConnectionRefusedError
    )
