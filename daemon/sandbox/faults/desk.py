"""Where faults are ordered and ended: joins the rules with connections, requests, the port and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns

import structlog

from daemon.core.units import MILLISECOND
from daemon.sandbox.faults.decisions import Counted, Faults, Subject
from daemon.sandbox.faults.line import Line
from daemon.sandbox.faults.registry import BadRule, Rule, check_rule
from daemon.sandbox.faults.requests import RequestFaults
from daemon.sandbox.sockets import Socket
from daemon.sandbox.stream.commands import CHANNELS, ERRORS, Command
from daemon.sandbox.venue import Venue

log = structlog.get_logger()


class FaultDesk:
    """All faults of one sandbox.

    Args:
        venue: whose sockets, orders and clock they befall.
        refuse: closes the port to new connections for so many seconds.
    """

    def __init__(self, venue: Venue, refuse: Callable[[float], None]) -> None:
        self._venue = venue
        self._refuse = refuse
        self._faults = Faults()
        self._lines: list[Line] = []
        self.requests = RequestFaults(self._faults, venue)
        venue.on_socket = self._connected
        venue.hub.command_fault = self._refused_command

    def _connected(self, socket: Socket, stream: str) -> None:
        line = socket.line = Line(self._faults, socket, stream)
        self._lines = [*(known for known in self._lines if known.is_open), line]

    def _refused_command(self, command: Command) -> int | None:
        """Return the code of the error that answers a command; None if it is carried out."""
        rules = self._faults.decide(Subject("command", type=command.cmd), monotonic_ns())
        return rules[0].code if rules else None

    def inject(self, rule: Rule) -> int:
        """Let a fault begin and return its number.

        Raises:
            BadRule: it makes no sense, the clock can't be set back, there is no such channel or code.
        """
        check_rule(rule)
        if rule.code is not None and rule.code not in ERRORS:
            raise BadRule(f"code: there is no error {rule.code}; there are {', '.join(map(str, ERRORS))}")
        if rule.kind == "channel_error":
            if rule.channel not in CHANNELS:
                raise BadRule(f"channel: no channel {rule.channel}; there are {', '.join(CHANNELS)}")
            self._venue.hub.fail_channel(rule.channel, rule.code or 10)
            self._venue.publish([])
        elif rule.kind == "clock_skew":
            try:
                self._venue.clock.shift((rule.ms or 0) * MILLISECOND)
            except ValueError as error:
                raise BadRule(f"ms: {error}") from error
        elif rule.kind == "refuse_connect":
            self._refuse((rule.ms or 0) / 1000)
        id_ = self._faults.inject(rule, monotonic_ns())
        log.info("fault.began", id=id_, kind=rule.kind)
        for line in self._lines:
            if line.is_open and rule.fault.seam == "connection":
                line.strike(self._faults.decide(Subject("connection", stream=line.stream), monotonic_ns()))
        if rule.for_ms is not None:
            asyncio.get_running_loop().call_later(rule.for_ms / 1000, self.clear, id_)
        return id_

    def clear(self, id_: int | None = None) -> int:
        """End one fault, or all, and return how many that ended. A skewed clock is set right again."""
        ended = self._faults.clear(id_)
        for rule in ended:
            if rule.kind == "clock_skew" and not self._venue.clock.is_standing:
                self._venue.clock.shift(-(rule.ms or 0) * MILLISECOND)
        for line in self._lines:
            if line.is_open:
                line.release()
        return len(ended)

    def counts(self) -> list[Counted]:
        """Return every fault so far and what it did."""
        return self._faults.counts()
