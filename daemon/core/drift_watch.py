"""One model in use, watched: is it still as good as it was, and does it see what it was trained on?

It is judged by outcomes. Of an open market only sums are kept; when all markets of an event that it scored
are determined, the event is one independent outcome. The figures of an event go to ADWIN and into blocks, a
fifth of a window each; the last five are the window.

    alarm   ADWIN finds the excess (Brier less the mid's) to have risen, to 0 or above; or over a full window
            the 95 % interval of the mean excess is above 0. It stays until a person exchanges the model.
    warn    at the end of a block: the mean excess of the window is `warn_z` standard errors above 0; the
            reliability is as far off, to either side; a feature's stability index was above `warn_psi` in its
            last full window. Or at once: ADWIN finds a rise, and the model is still better than the mid.
            It ends with the block after which none of that holds.

Source: the quantitative notes 3.8.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from daemon.core.adwin import Adwin, Change
from daemon.core.drift_record import DriftConfig, Figures, Verdict, WatchRecord
from daemon.core.model_slot import Model, Row
from daemon.core.stability import Stability
from daemon.core.units import MINUTE, Ns

BLOCKS = 5
"""Of a window."""
ROWS_EVERY: Ns = MINUTE
"""A market's row is counted for the stability so often: ticks of one minute say the same."""
SURE_Z = 1.96
"""Of the interval that an alarm looks at: 95 %."""


class _Tally:
    """Of one open market: the sums that give its figures for any outcome."""

    __slots__ = ("count", "event", "mid_squares", "mid_total", "row_at", "squares", "total")

    def __init__(self, event: str, now: Ns) -> None:
        self.event = event
        self.row_at = now - ROWS_EVERY
        self.count = 0
        self.total = self.squares = self.mid_total = self.mid_squares = 0.0

    def add(self, p: float, mid: float) -> None:
        self.count += 1
        self.total += p
        self.squares += p * p
        self.mid_total += mid
        self.mid_squares += mid * mid

    def figures(self, outcome: float) -> tuple[float, float, float, float, float]:
        """Brier, excess, miss, expected and paid: means over the instants."""
        p, square = self.total / self.count, self.squares / self.count
        brier = square - 2 * outcome * p + outcome * outcome
        mid = (self.mid_squares - 2 * outcome * self.mid_total) / self.count + outcome * outcome
        return brier, brier - mid, outcome - (2 * outcome + 1) * p + 2 * square, p, outcome


class _Event:
    """An event some of whose markets may be open yet."""

    __slots__ = ("at", "judged", "open", "sums")

    def __init__(self) -> None:
        self.open = self.judged = 0
        self.sums = [0.0] * 5
        self.at: Ns = 0


class DriftWatch:
    """Watches the model of one slot."""

    def __init__(self, config: DriftConfig, slot: str, model: Model, places: Mapping[str, int]) -> None:
        """Build, knowing nothing yet. `places` says where in the row a feature stands."""
        self.slot, self.sha256 = slot, model.sha256
        self.verdict: Verdict = "steady"
        self.since: Ns | None = None
        """Of the verdict; None: as long as the model is watched."""
        self.reasons: tuple[str, ...] = ()
        self.events = 0
        """Independent outcomes so far."""
        self.psi: tuple[tuple[str, float], ...] = ()
        """(feature, index) of the last full window, the highest first; empty before there was one."""
        self._config = config
        self._adwin = Adwin(config.alarm_delta)
        self._blocks: tuple[Figures, ...] = ()
        self._blocks_total = 0
        self._current = Figures()
        self._stability = Stability(model.bins, places)
        self._counted = 0
        self._tallies: dict[str, _Tally] = {}
        self._open: dict[str, _Event] = {}

    @property
    def figures(self) -> Figures:
        """The figures of the window and of what came after it."""
        return sum(self._blocks, Figures()) + self._current

    def sample(self, ticker: str, event: str, p: float, mid: float, row: Row, now: Ns) -> None:
        """Take one instant of a market: what the model says, and the market's own mid, both 0 .. 1."""
        tally = self._tallies.get(ticker)
        if tally is None:
            tally = self._tallies[ticker] = _Tally(event, now)
            self._open.setdefault(event, _Event()).open += 1
        tally.add(p, mid)
        if now - tally.row_at >= ROWS_EVERY:
            tally.row_at = now
            self._stability.add(row)

    def determine(self, ticker: str, outcome: float, at: Ns) -> None:
        """Take what one YES contract paid, in dollars; of a market that was not sampled it is nothing."""
        tally = self._tallies.pop(ticker, None)
        if tally is None:
            return
        event = self._open[tally.event]
        event.sums = [one + more for one, more in zip(event.sums, tally.figures(outcome), strict=True)]
        event.judged += 1
        event.at = at
        self._leave(tally.event)

    def forget_gone(self, markets: Container[str]) -> None:
        """Forget markets that are no more; an event that waited only for these is judged without them."""
        for ticker in [ticker for ticker in self._tallies if ticker not in markets]:
            self._leave(self._tallies.pop(ticker).event)

    # --- for the next life -----------------------------------------------------------------------

    def told(self) -> WatchRecord:
        """Return what a later life goes on with: all but the open events' sums."""
        return WatchRecord(
            self.slot, self.sha256, self.events, self._adwin.told(), self._blocks, self._blocks_total,
            self._current, self._stability.told(), self._counted, self.psi, self.verdict, self.since,
            self.reasons,
        )  # fmt: skip

    def recover(self, record: WatchRecord) -> None:
        """Go on where a life before left the same model."""
        self.events, self.psi = record.events, record.psi
        self.verdict, self.since, self.reasons = record.verdict, record.since, record.reasons
        self._adwin = Adwin(self._config.alarm_delta, record.window)
        self._blocks, self._blocks_total, self._current = record.blocks, record.blocks_total, record.current
        self._stability.recover(record.counts)
        self._counted = record.counted

    # --- judging ---------------------------------------------------------------------------------

    def _leave(self, name: str) -> None:
        event = self._open[name]
        event.open -= 1
        if event.open:
            return
        del self._open[name]
        if event.judged:
            self._judge([one / event.judged for one in event.sums], event.at)

    def _judge(self, means: list[float], at: Ns) -> None:
        brier, excess, miss, expected, paid = means
        change = self._adwin.update(excess)
        has_worsened = change is not None and change.after > change.before
        self._current += Figures(
            1, brier, excess, excess * excess, miss, miss * miss, expected, paid, has_worsened
        )
        self.events += 1
        self._count_window()
        is_full = self._current.events >= max(1, self._config.events // BLOCKS)
        if is_full:
            self._blocks = (*self._blocks, self._current)[-BLOCKS:]
            self._blocks_total += 1
            self._current = Figures()
        if self.verdict == "alarm":
            return
        if (reason := self._alarm(change, is_full=is_full)) is not None:
            self._say("alarm", (reason,), at)
        elif is_full or has_worsened:
            reasons = self._warnings()
            self._say("warn" if reasons else "steady", reasons, at)

    def _count_window(self) -> None:
        self._counted += 1
        if self._counted >= self._config.events:
            self.psi = self._stability.indices()
            self._stability.clear()
            self._counted = 0

    def _alarm(self, change: Change | None, *, is_full: bool) -> str | None:
        if change is not None and change.after > change.before and change.after >= 0:
            return f"its Brier score less the mid's went from {change.before:+.4f} to {change.after:+.4f}"
        if not is_full or self._blocks_total % BLOCKS:
            return None  # windows that overlap would ask the same question five times
        window = sum(self._blocks, Figures())
        known = window.interval(SURE_Z)
        if known is None or known.low <= 0:
            return None
        return (
            f"worse than the mid over {window.events} events: Brier {known.mean:+.4f} (from {known.low:+.4f})"
        )

    def _warnings(self) -> tuple[str, ...]:
        window, limit = self.figures, self._config.warn_z
        found = []
        known, z = window.interval(limit), window.z
        if known is not None and known.low > 0:
            found.append(f"its Brier score is {known.mean:+.4f} above the mid's")
        if z is not None and abs(z) > limit:
            found.append(f"its reliability is off by {z:+.1f} standard errors")
        if window.has_worsened:
            found.append("it has become worse against the mid")
        found += [f"{name} has drifted: PSI {value:.2f}" for name, value in self.psi
                  if value > self._config.warn_psi]  # fmt: skip
        return tuple(found)

    def _say(self, verdict: Verdict, reasons: tuple[str, ...], at: Ns) -> None:
        if verdict != self.verdict:
            self.verdict, self.since = verdict, at
        self.reasons = reasons
