"""Labels: what became of a market after a row's instant, and until when that was open.

| label | says | until |
|---|---|---|
| `settles_yes` | 1 if the market settled YES, 0 if NO; a scalar result has none | the close |
| `change_<h>` | the mid at t + h less the mid at t, in dollars | t + h |
| `direction_<h>` | the sign of that: 1, 0 or -1 | t + h |
| `moves_<h>_<x>` | 1 if the mid moved by more than x either way, else 0 | t + h |
| `next_day_return` | the mid at the end of the next UTC day less that at its begin, in dollars | that end |

A return is in dollars per contract: what a YES contract held meanwhile earned before costs, and a NO contract
lost. A percentage of a noisy price is biased upwards, and is nobody's return on the NO side.

A label is unknown (NaN) where a mid is: a side missing, the book lost, the connection silent, the market
closed or the recording over by then. Mids are exact integers; each label is one division of them.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.core.markets import MarketResult
from daemon.core.units import DAY, HOUR, MILLISECOND, MINUTE, PRICE_ONE, SECOND, Ns, Price, parse_decimal
from daemon.lab.sampling import UNKNOWN_MID

Kind: TypeAlias = Literal["settles_yes", "change", "direction", "moves", "next_day_return"]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

LABELS_ALLOWED: Final = (
    "settles_yes, change_<h>, direction_<h>, moves_<h>_<x>c, next_day_return;"
    " <h> is 500ms, 5s, 1m, 1h or 1d, <x> in cents such as 1 or 0.5"
)
_UNITS: Final = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_NAME: Final = re.compile(
    r"(?:(change|direction)_([1-9][0-9]{0,5})(ms|s|m|h|d)"
    r"|(moves)_([1-9][0-9]{0,5})(ms|s|m|h|d)_([0-9]{1,2}(?:\.[0-9]{1,2})?)c)",
    re.ASCII,
)


class Label(msgspec.Struct, frozen=True):
    """One label. `horizon` is None where the label has its own end, `over` (Price) is of `moves` alone."""

    name: str
    kind: Kind
    horizon: Ns | None = None
    over: Price | None = None


def parse_label(name: str) -> Label:
    """Return the label of a name.

    Raises:
        ValueError: there is no such label; says what there is.
    """
    if name == "settles_yes":
        return Label(name, "settles_yes")
    if name == "next_day_return":
        return Label(name, "next_day_return")
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"no such label: {name!r}; there are: {LABELS_ALLOWED}")
    if match[4]:
        over = parse_decimal(match[7], 2)
        return Label(name, "moves", int(match[5]) * _UNITS[match[6]], over)
    return Label(name, "change" if match[1] == "change" else "direction", int(match[2]) * _UNITS[match[3]])


class Mids(msgspec.Struct, frozen=True):
    """One market's doubled mids over one session: from `at[i]` on `double_mid[i]` held, up to `end_at`."""

    at: Ints
    double_mid: Ints
    end_at: Ns

    def held(self, instants: Ints) -> Ints:
        """Return the doubled mid at each instant; UNKNOWN_MID where there was none, or nobody looked."""
        if not len(self.at):
            return np.full(len(instants), UNKNOWN_MID, dtype=np.int64)
        place = np.searchsorted(self.at, instants, side="right") - 1
        found = self.double_mid[np.maximum(place, 0)]
        found[(place < 0) | (instants > self.end_at)] = UNKNOWN_MID
        return found


def mids_at(sessions: list[Mids], instants: Ints) -> Ints:
    """Return a market's doubled mid at each instant, from the first of the sessions that knows it."""
    found = np.full(len(instants), UNKNOWN_MID, dtype=np.int64)
    for session in sessions:
        missing = found == UNKNOWN_MID
        if not missing.any():
            break
        found[missing] = session.held(instants[missing])
    return found


class Labelled(msgspec.Struct, frozen=True):
    """The labels of rows, shape (rows,): the value, NaN where unknown, and the instant it was open until."""

    value: Floats
    until: Ints


def label_rows(
    label: Label,
    at: Ints,
    double_mid: Ints,
    sessions: list[Mids],
    close_at: Ns,
    outcome: MarketResult | None,
) -> Labelled:
    """Label one market's rows.

    Args:
        label: what to say of them.
        at: the rows' instants, shape (rows,).
        double_mid: the mid that each row saw, doubled; UNKNOWN_MID where it saw none.
        sessions: the market's mids, the rows' own session first.
        close_at: when the market closed in the end.
        outcome: its result, None where not known.
    """
    if label.kind == "settles_yes":
        settled = {"yes": 1.0, "no": 0.0}.get(outcome or "", np.nan)
        return Labelled(np.full(len(at), settled), np.full(len(at), close_at, dtype=np.int64))
    if label.kind == "next_day_return":
        begin = (at // DAY + 1) * DAY
        until = begin + DAY
        before, after = mids_at(sessions, begin), mids_at(sessions, until)
    else:
        assert label.horizon is not None, f"{label.name} has no horizon"
        until = at + label.horizon
        before, after = double_mid, mids_at(sessions, until)
    is_known = (before != UNKNOWN_MID) & (after != UNKNOWN_MID) & (until < close_at)
    change = after - before
    match label.kind:
        case "direction":
            value = np.sign(change).astype(np.float64)
        case "moves":
            assert label.over is not None, f"{label.name} has no threshold"
            value = (np.abs(change) > 2 * label.over).astype(np.float64)
        case _:
            value = change / (2 * PRICE_ONE)
    return Labelled(np.where(is_known, value, np.nan), until)
