"""What reaches a person's telephone: a bounded queue and a thread of its own, beside the loop.

Nothing that trades waits for it. A notice that finds no room, or comes too often, is dropped and counted; one
that a target didn't take is counted, logged and shown until the next one arrives. Nothing is sent twice: the
Alertmanager is for what must reach somebody, this for what is good to know.

Targets are apprise URLs (the extra `notify`), one a line in a file that only its owner can read. They hold
passwords: neither they nor any part of them are ever logged. A target is named by its line.
"""

from __future__ import annotations

import logging
import os
import queue
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from daemon.config_tables import NoticeKind

log = structlog.get_logger(__name__)

OUTCOMES: Final = ("delivered", "failed", "dropped", "limited")
WAITING_MAX: Final = 64
BURST: Final = 6
"""So many notices of one kind may come at once; then one each `REFILL_S`."""
REFILL_S: Final = 600.0
CLOSE_WITHIN_S: Final = 5.0


class NotifyRefused(Exception):
    """Targets can't be used; the message names the file and the line, never what stands there."""


class Notice(msgspec.Struct, frozen=True):
    """One thing to tell. The first word of the title is PAPER or LIVE."""

    kind: NoticeKind
    title: str
    body: str


class Target(Protocol):
    """Where notices go. It may take seconds; False, or an error, says that it was not delivered."""

    def notify(self, *, title: str, body: str) -> bool | None:
        """Deliver one notice."""
        ...


class Budget:
    """How many notices of each kind may still go out: a finding's flood must not silence a halt."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[NoticeKind, tuple[float, float]] = {}

    def take(self, kind: NoticeKind) -> bool:
        """Return whether one more may go out, and count it."""
        now = self._clock()
        left, since = self._left.get(kind, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / REFILL_S)
        is_allowed = left >= 1
        self._left[kind] = (left - 1 if is_allowed else left), now
        return is_allowed


class Notifications:
    """The queue and its thread. `put` belongs to the loop, and never waits.

    Attributes:
        counts: notices by what became of them; one that several targets took counts once.
    """

    def __init__(self, targets: Mapping[str, Target], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            targets: where each notice goes, by the names that a log may show.
            clock: seconds that only grow.
        """
        self.counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._targets = dict(targets)
        self._budget = Budget(clock)
        self._failure: str | None = None
        self._waiting: queue.Queue[Notice | None] = queue.Queue(WAITING_MAX)
        # A daemon thread: a target that hangs must not keep a process that has ended.
        self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Why the last notice did not arrive; None when it did, or when there was none."""
        return self._failure

    def put(self, notice: Notice) -> None:
        """Let a notice go out, unless its kind comes too often or too many wait."""
        if not self._budget.take(notice.kind):
            self.counts["limited"] += 1
            log.warning("notification.limited", kind=notice.kind, title=notice.title)
            return
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            self.counts["dropped"] += 1
            self._failure = f"{WAITING_MAX} notices wait already"
            log.error("notification.dropped", kind=notice.kind, title=notice.title)

    def give_up(self, reason: str) -> None:
        """Take why nothing will be put any more: it is shown like a failed delivery."""
        self._failure = reason

    def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Deliver what waits, as long as that takes no longer than this, and end."""
        deadline = time.monotonic() + within_s
        try:
            self._waiting.put(None, timeout=within_s)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            failed = [name for name, target in self._targets.items() if not _deliver(name, target, notice)]
            self.counts["failed" if failed else "delivered"] += 1
            self._failure = f"{notice.kind} did not reach {', '.join(failed)}" if failed else None


def _deliver(name: str, target: Target, notice: Notice) -> bool:
    try:
        reason = None if target.notify(title=notice.title, body=notice.body) else "it was not taken"
    except Exception as error:  # noqa: BLE001 - whatever a target's library does, the next notice goes out
        reason = type(error).__name__  # its words may hold the address
    if reason is not None:
        log.error("notification.failed", kind=notice.kind, target=name, reason=reason)
    return reason is None


def load_targets(path: Path) -> dict[str, Target]:
    """Return the targets of a file of apprise URLs, one a line; blank lines and `#` lines are skipped.

    Raises:
        NotifyRefused: it can't be read, others can read it, a line is no such URL, or the extra is missing.
    """
    urls = _urls(path)
    # Its words name hosts, and now and then more of a URL than that.
    logging.getLogger("apprise").disabled = True
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NotifyRefused(
            f"notifications need the extra `notify` (pip install kalshid[notify]): {error}"
        ) from error
    found: dict[str, Target] = {}
    for number, url in urls:
        target = apprise.Apprise()
        if not target.add(url):
            raise NotifyRefused(f"{path}: line {number}: not a URL that apprise knows")
        found[f"line {number}"] = target
    return found


def _urls(path: Path) -> Sequence[tuple[int, str]]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotifyRefused(f"{path}: can't be read: {error}") from error
    # A credential of the service manager is guarded by the folder that it is in.
    is_credential = str(path.parent) == os.environ.get("CREDENTIALS_DIRECTORY")
    if mode & 0o077 and not is_credential:
        raise NotifyRefused(f"{path}: others can read it (mode {mode:o}): chmod 600 {path}")
    urls = [
        (number, line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not urls:
        raise NotifyRefused(f"{path}: no URL in it: one a line, as apprise writes them")
    return urls
