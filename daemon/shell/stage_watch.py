"""Where a tick's time goes, stage by stage: measured of one turn in 64, for the clock itself costs time.

The core has no clock. In a turn that is measured it is given one to call between its stages; in all others
it looks whether there is one, and goes on.

    apply    the book changes, and the feature streams are fed
    feature  the row is made
    predict  the model scores it
    decide   all else of the decision: vouching, strategies, plan, risk
"""

from __future__ import annotations

import time

from daemon.core.engine import Engine
from daemon.shell.histogram import Histogram

STAGES = ("parse", "apply", "feature", "predict", "decide")
"""`parse`, bytes to events, is measured where the frames are read (`stream`)."""
_SHOWN = range(16)
"""Up to 32 ms."""


class StageWatch:
    """Measures the stages of turns. Each turn that is measured is `begin`, marks, `end`."""

    def __init__(self) -> None:
        self.stages = {stage: Histogram(_SHOWN) for stage in STAGES}
        self.journal_append = Histogram()
        """Writes of a turn's events to the journal."""
        self._spent: dict[str, int] = {}
        self._marked_at = 0

    def begin(self, engine: Engine) -> None:
        """Begin with a turn: its journal write comes first."""
        engine.models.mark = self.mark
        self._spent.clear()
        self._marked_at = time.perf_counter_ns()

    def mark(self, stage: str) -> None:
        """Charge a stage with the time since the last mark."""
        now = time.perf_counter_ns()
        self._spent[stage] = self._spent.get(stage, 0) + now - self._marked_at
        self._marked_at = now

    def end(self, engine: Engine) -> None:
        """Charge the last stage, and count what each took in this turn; a stage that was not come to, not."""
        self.mark("decide")
        engine.models.mark = None
        self.journal_append.observe(self._spent.pop("journal"))
        for stage, spent in self._spent.items():
            self.stages[stage].observe(spent)
