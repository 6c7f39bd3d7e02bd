"""How each alert is provoked in a daemon that runs: a fault, begun and ended, and the alerts that it is for.

Wards are independent of each other; the faults of one are provoked one after the other, in the order of
`venue_faults` and `home_faults`. A fault is the exchange's (`daemon/sandbox/faults`), its operator's, a
person's, the disk's or the machine's. The one that only a bug of ours brings about, a pump that stands still,
is planted by `ailing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeAlias

from tests.e2e.ward import Ward

Fault: TypeAlias = Callable[[Ward], AbstractContextManager[None]]


class Provocation(NamedTuple):
    """One fault, in words and as it is begun and ended, and what fires because of it.

    `inhibited` are alerts that fire with it, and that another one speaks for: they do not arrive.
    """

    ward: str
    alerts: tuple[str, ...]
    fault: str
    begun: Fault
    within_s: float
    inhibited: tuple[str, ...]


PROVOCATIONS: list[Provocation] = []
WARDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "stream": {
        "feed": {"silent_max_s": "5", "channel_quiet_max_s": "4", "refused_per_minute_max": "5"},
    },
    "books": {"breaker": {"failures_max": "100"}},
    "venue": {"markets": {"series": '["KXTEST"]', "refresh_s": "1"}},
    "patience": {"feed": {"silent_max_s": "150"}, "breaker": {"failures_max": "100", "rejects_max": "100"}},
    "account": {
        "risk": {"exposure_max_dollars": "100", "daily_loss_max_dollars": "20", "cash_reserve_dollars": "0"},
        "orders": {"group_contracts_max": "0"},
        "strategies.provoked": {"contracts": "10"},
    },
    "process": {},
    "models": {"drift": {"events": "50"}, "notify": {"urls_file": '"urls"'}},
}
"""What is another in the configuration of each ward."""


def provokes(
    ward: str, *alerts: str, within_s: float = 60.0, inhibited: tuple[str, ...] = ()
) -> Callable[[Callable[[Ward], Iterator[None]]], None]:
    """Enter a fault in the list: a generator that begins it, yields once, and ends it."""

    def entered(course: Callable[[Ward], Iterator[None]]) -> None:
        fault = (course.__doc__ or "").rstrip(".")

        @contextmanager
        def begun(place: Ward) -> Iterator[None]:
            steps = course(place)
            next(steps)
            try:
                yield
            finally:
                next(steps, None)  # whatever came of it, the next fault meets a ward that is well

        PROVOCATIONS.append(Provocation(ward, alerts, fault, begun, within_s, inhibited))

    return entered


def of_ward(ward: str) -> list[Provocation]:
    """Return what is provoked in a ward, in order."""
    return [one for one in PROVOCATIONS if one.ward == ward]
