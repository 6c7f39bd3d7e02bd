"""The venue's REST calls on one kept-alive connection pool."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Self

from daemon.core.units import Ns
from daemon.kalshi.auth import Signer
from daemon.kalshi.http import Gate, Http, Observer
from daemon.kalshi.refusals import Tally
from daemon.kalshi.rest.account import AccountCalls
from daemon.kalshi.rest.groups import GroupCalls
from daemon.kalshi.rest.markets import MarketCalls
from daemon.kalshi.rest.orders import OrderCalls
from daemon.kalshi.rest.quotes import QuoteCalls
from daemon.kalshi.rest.venue import VenueCalls


class ReadingRest(VenueCalls, MarketCalls, QuoteCalls, AccountCalls):
    """The venue over REST, to read from alone: it has no call that changes anything.

    And whatever else comes to hold its connection can't either: all but GET is refused before a socket is
    opened (`ReadOnly`). Use as an async context manager.
    """

    _IS_READ_ONLY: ClassVar[bool] = True

    def __init__(
        self,
        base_url: str,
        signer: Signer | None,
        clock: Callable[[], Ns],
        observe: Observer | None = None,
        *,
        read_timeout_s: float = 10.0,
        write_timeout_s: float = 5.0,
    ) -> None:
        """Build; see `Http` for the arguments."""
        super().__init__(
            Http(
                base_url,
                signer,
                clock,
                observe=observe,
                read_timeout_s=read_timeout_s,
                write_timeout_s=write_timeout_s,
                is_read_only=self._IS_READ_ONLY,
            )
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    def bound_time(self, timeout_s: float) -> None:
        """From now on give every request up after so long."""
        self._http.bound_time(timeout_s, timeout_s)

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._http.close()

    @property
    def gate(self) -> Gate | None:
        """What every read passes; None lets all go at once."""
        return self._http.gate

    @gate.setter
    def gate(self, gate: Gate | None) -> None:
        self._http.gate = gate

    @property
    def date(self) -> str | None:
        """The `Date` of the venue's last answer: its clock, in whole seconds; None before one came."""
        return self._http.date

    @property
    def refused(self) -> Tally:
        """Answers to reads that were refused for their shape, by endpoint and reason."""
        return self._http.refused


class Rest(ReadingRest, OrderCalls, GroupCalls):
    """The venue over REST, all of it. Use as an async context manager."""

    _IS_READ_ONLY: ClassVar[bool] = False
