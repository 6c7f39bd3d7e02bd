"""What reaches a person's telephone: a bounded queue and a thread of its own, beside the loop.

Nothing that trades waits for it. A notice that finds no room, or comes too often, is dropped and counted. A
target that didn't take one is tried again, four times in a quarter of an hour, while newer ones go first; all
that time, and until another one arrives, it is shown. Whoever took a notice does not get it twice. Still, the
Alertmanager is for what must reach somebody, this for what is good to know.

Targets are apprise URLs (the extra `notify`), one a line in a file that only its owner can read. They hold
passwords: neither they nor any part of them are ever logged. A target is named by its line.
"""

from __future__ import annotations

import logging
import math
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

OUTCOMES: Final = ("delivered", "failed", "retried", "dropped", "limited")
"""What became of notices. `retried` counts further tries; a notice that they all missed has failed."""
WAITING_MAX: Final = 64
BURST: Final = 6
"""So many notices of one kind may come at once; then one each `REFILL_S`."""
REFILL_S: Final = 600.0
RETRY_AFTER_S: Final = (5.0, 30.0, 120.0, 600.0)
"""How long after each failed try the next one comes; after the last of them a notice is given up."""
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


class _Owed(msgspec.Struct, frozen=True):
    """A notice, the targets that still miss it, how often they were tried, and when they are again."""

    notice: Notice
    missing: tuple[str, ...]
    tries: int
    due_at: float


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
        self._clock, self._budget = clock, Budget(clock)
        self._failure: str | None = None
        self._end: str | None = None
        self._waiting: queue.Queue[Notice | None] = queue.Queue(WAITING_MAX)
        self._owed: list[_Owed] = []
        # A daemon thread: a target that hangs must not keep a process that has ended.
        self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Which notice did not arrive, and whether it is tried again; None when all is well."""
        return self._end or self._failure

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
        self._end = reason

    def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Deliver what waits, as long as that takes no longer than this, and end."""
        deadline = time.monotonic() + within_s
        try:
            self._waiting.put(None, timeout=within_s)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while True:
            try:
                notice = self._waiting.get(timeout=self._until_due())
            except queue.Empty:
                self._try_owed(self._clock())
                continue
            if notice is None:
                break
            self._try(_Owed(notice, tuple(self._targets), 0, 0.0))
        self._try_owed(math.inf, is_last=True)

    def _until_due(self) -> float | None:
        """Return the seconds until something owed is due; None while nothing is owed."""
        due_at = min((one.due_at for one in self._owed), default=None)
        return None if due_at is None else min(max(0.0, due_at - self._clock()), RETRY_AFTER_S[-1])

    def _try_owed(self, now: float, *, is_last: bool = False) -> None:
        due = [one for one in self._owed if one.due_at <= now]
        self._owed = [one for one in self._owed if one.due_at > now]
        for one in due:
            self.counts["retried"] += 1
            self._try(one, is_last=is_last)

    def _try(self, one: _Owed, *, is_last: bool = False) -> None:
        """Deliver to whoever misses a notice; what fails is owed, up to a number of tries and of notices."""
        notice = one.notice
        failed = tuple(name for name in one.missing if not _deliver(name, self._targets[name], notice))
        if not failed:
            self.counts["delivered"] += 1
            if not self._owed:
                self._failure = None
            return
        words = f"{notice.kind} did not reach {', '.join(failed)}"
        if not is_last and one.tries < len(RETRY_AFTER_S) and len(self._owed) < WAITING_MAX:
            after_s = RETRY_AFTER_S[one.tries]
            self._owed.append(_Owed(notice, failed, one.tries + 1, self._clock() + after_s))
            self._failure = f"{words}, and is sent again"
            return
        self.counts["failed"] += 1
        self._failure = f"{words}, tried {one.tries + 1} times"


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
    # Their words name hosts, and now and then a whole URL. Nobody else here uses the second one, which has
    # a logger for each of its modules.
    logging.getLogger("apprise").disabled = True
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
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
