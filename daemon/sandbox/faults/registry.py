"""Every fault that the sandbox can make: what it does, where it sits, and which options it takes.

`Rule` is one fault as it was ordered, by a file or by the admin endpoint. A fault sits at one seam:

- request: a REST request, before or after it was carried out;
- upgrade: a request for a new WebSocket;
- frame: a WebSocket message on its way out to one connection;
- command: a WebSocket command, instead of its being carried out;
- connection: an open WebSocket, at once and whenever it would be written to;
- venue: the sandbox itself, at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Seam: TypeAlias = Literal["request", "upgrade", "command", "frame", "connection", "venue"]


class Fault(msgspec.Struct, frozen=True):
    """One kind of fault. `options` are the fields of a rule that it reads besides its seam's own."""

    seam: Seam
    does: str
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Those of the options without which it makes no sense."""
    channels: tuple[str, ...] = ()
    """The frames that it is for, unless its rule says which."""
    method: str | None = None
    """The requests that it is for."""
    path: str | None = None


_PRIVATE: Final = ("fill", "user_orders", "market_positions")
_CREATE: Final = "*/portfolio/events/orders"

FAULTS: Final[dict[str, Fault]] = {
    "cut": Fault("connection", "the connection is cut without a closing handshake"),
    "half_open": Fault(
        "connection", "the connection stays, but nothing flows, no ping is answered; cut when cleared"
    ),
    "refuse_upgrade": Fault("upgrade", "new WebSockets are answered 502"),
    "refuse_connect": Fault(
        "venue", "new TCP connections are refused for `ms`; open ones stay", ("ms",), ("ms",)
    ),
    "delay": Fault("frame", "the frame, and all behind it, come `ms` late", ("ms",), ("ms",)),
    "drop": Fault("frame", "the frame is lost; its number is used up"),
    "duplicate": Fault("frame", "the frame comes twice"),
    "reorder": Fault("frame", "the frame and the next one change places"),
    "sequence_gap": Fault(
        "frame", "`count` numbers of the frame's subscription are skipped, though nothing is lost", ("count",)
    ),
    "stall": Fault("frame", "frames are held back while pings go on; all come when it is cleared"),
    "slow_stream": Fault(
        "frame", "one frame goes out every `ms`: a queue grows, and the age of what comes", ("ms",), ("ms",)
    ),
    "lost_command_ack": Fault(
        "frame",
        "the answer to a WebSocket command is lost",
        channels=("subscribed", "unsubscribed", "ok"),
    ),
    "command_error": Fault(
        "command", "the command is answered with error `code` (18 is a timeout)", ("code",), ("code",)
    ),
    "channel_error": Fault(
        "venue",
        "every subscription of `channel` ends with error `code` (10 by default)",
        ("channel", "code"),
        ("channel",),
    ),
    "drop_private": Fault("frame", "a private frame is lost: those have no number", channels=_PRIVATE),
    "malformed_json": Fault("frame", "the frame is no JSON"),
    "truncated_frame": Fault("frame", "the connection ends in the middle of the frame"),
    "unknown_type": Fault("frame", "the frame has a type that nobody knows"),
    "missing_field": Fault("frame", "the message has no `field` (its first one by default)", ("field",)),
    "absurd_numbers": Fault("frame", "prices are 99.99 $ and counts minus a thousand million"),
    "http_429": Fault("request", "answered 429; not carried out"),
    "http_500": Fault("request", "answered 500, `when` before or after it was carried out", ("when",)),
    "http_502": Fault("request", "answered 502 by a gateway, in HTML, `when` before or after", ("when",)),
    "http_503": Fault("request", "answered 503, `when` before or after", ("when",)),
    "hang": Fault("request", "never answered, `when` before or after it was carried out", ("when",)),
    "reset": Fault("request", "the connection is reset (RST), `when` before or after", ("when",)),
    "lost_ack": Fault("request", "carried out, and the connection closed without an answer"),
    "slow_reply": Fault("request", "carried out at once, answered `ms` later", ("ms",), ("ms",)),
    "late_request": Fault(
        "request", "carried out `ms` late, also when nobody waits for the answer any more", ("ms",), ("ms",)
    ),
    "malformed_reply": Fault("request", "carried out, and answered with half of the body"),
    "stale_read": Fault("request", "a GET shows what the same GET showed last time", method="GET"),
    "fill_after_cancel": Fault(
        "request",
        "half of the order had been matched when the cancel came: acked, and the fill is told `ms` later",
        ("ms",),
        method="DELETE",
        path="*/portfolio/events/orders/*",
    ),
    "market_closed": Fault(
        "request", "the order's market closes as soon as it is accepted", method="POST", path=_CREATE
    ),
    "market_paused": Fault(
        "request", "the order's market is deactivated as soon as it is accepted", method="POST", path=_CREATE
    ),
    "market_settled": Fault(
        "request",
        "the order's market closes, resolves NO and settles as soon as it is accepted",
        method="POST",
        path=_CREATE,
    ),
    "killed": Fault("request", "the sandbox's process is killed (-9), `when` before or after", ("when",)),
    "clock_skew": Fault(
        "venue", "the sandbox's clock, stamps and signature window go `ms` wrong; back when cleared",
        ("ms",), ("ms",),
    ),
}  # fmt: skip

SEAM_OPTIONS: Final[dict[Seam, tuple[str, ...]]] = {
    "request": ("path", "method", "market", "probability", "next", "skip", "seed", "for_ms"),
    "frame": ("channel", "market", "stream", "probability", "next", "skip", "seed", "for_ms"),
    "upgrade": ("stream", "probability", "next", "skip", "seed", "for_ms"),
    "command": ("channel", "probability", "next", "skip", "seed", "for_ms"),
    "connection": ("stream", "probability", "next", "skip", "seed", "for_ms"),
    "venue": ("for_ms",),
}


class BadRule(ValueError):
    """A fault was ordered that can't be; the message names the option and what is allowed."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One fault as ordered. Patterns are shell patterns (`*`, `?`); what is left out matches everything."""

    kind: Annotated[str, Meta(description="a name from the table of faults")]
    path: Annotated[str | None, Meta(description="pattern of the request's path")] = None
    method: Annotated[str | None, Meta(description="GET, POST, PUT or DELETE")] = None
    market: Annotated[str | None, Meta(description="pattern of the market's ticker")] = None
    channel: Annotated[
        str | None, Meta(description="pattern of the frame's channel or type, or of the command's word")
    ] = None
    stream: Annotated[Literal["kalshi", "kraken"] | None, Meta(description="which WebSocket")] = None
    probability: Annotated[float, Meta(gt=0, le=1, description="chance that what matches is hit")] = 1.0
    next: Annotated[Positive | None, Meta(description="so many hits, then the rule is over")] = None
    skip: Annotated[int, Meta(ge=0, description="so many matches are spared first")] = 0
    seed: Annotated[int, Meta(ge=0, description="of the rule's own chance")] = 1
    for_ms: Annotated[Positive | None, Meta(description="over after so long, by the wall's time")] = None
    when: Annotated[Literal["before", "after"], Meta(description="the request was carried out")] = "before"
    ms: Annotated[int | None, Meta(description="how long, or how far")] = None
    count: Annotated[Positive | None, Meta(description="how many")] = None
    code: Annotated[Positive | None, Meta(description="of the error")] = None
    field: Annotated[str | None, Meta(description="the message's field")] = None

    @property
    def fault(self) -> Fault:
        """Its kind's entry."""
        return FAULTS[self.kind]


class FaultFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of faults: tables `[[fault]]`."""

    fault: tuple[Rule, ...] = ()


def check_rule(rule: Rule) -> Rule:
    """Return a rule that makes sense.

    Raises:
        BadRule: no such kind, an option that it doesn't read, or one missing that it needs.
    """
    found = FAULTS.get(rule.kind)
    if found is None:
        raise BadRule(f"kind: no fault is named {rule.kind!r}; there are {', '.join(FAULTS)}")
    allowed = (*SEAM_OPTIONS[found.seam], *found.options)
    for name in Rule.__struct_fields__[1:]:
        is_given = getattr(rule, name) != _DEFAULTS[name]
        if is_given and name not in allowed:
            raise BadRule(f"{name}: {rule.kind} doesn't read it; it reads {', '.join(allowed)}")
    for name in found.needs:
        if getattr(rule, name) is None:
            raise BadRule(f"{name}: {rule.kind} needs it")
    if rule.ms is not None and rule.ms < 0 and rule.kind != "clock_skew":
        raise BadRule(f"ms: {rule.ms} is below 0")
    return rule


_DEFAULTS: Final = dict(zip(Rule.__struct_fields__[1:], Rule.__struct_defaults__, strict=True))


def read_faults(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a TOML file.

    Raises:
        BadRule: it can't be read, or a rule makes no sense; the message names file and field.
    """
    try:
        rules = msgspec.toml.decode(path.read_bytes(), type=FaultFile).fault
    except (OSError, msgspec.MsgspecError) as error:
        raise BadRule(f"{path}: {error}") from error
    for place, rule in enumerate(rules):
        try:
            check_rule(rule)
        except BadRule as error:
            raise BadRule(f"{path}: fault[{place}].{error}") from error
    return rules


def faults_table() -> str:
    """Return the table of all faults as Markdown, for the docs."""
    rows = ["| fault | where | what happens | options |", "|---|---|---|---|"]
    for kind, fault in FAULTS.items():
        options = ", ".join(f"`{name}`" for name in fault.options)
        rows.append(f"| `{kind}` | {fault.seam} | {fault.does} | {options} |")
    return "\n".join(rows) + "\n"
