"""Notices beside the loop: bounded, rate limited, never waited for, and never silent about a failure."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.shell.notifications import (
    BURST,
    OUTCOMES,
    REFILL_S,
    WAITING_MAX,
    Budget,
    Notice,
    Notifications,
    NotifyRefused,
    load_targets,
)

HALT = Notice("halt", "PAPER kalshid: halted", "by cli: a test")
SECRET = "hunter2"


class Taker:
    """A target that notes what it takes, and fails as it is told."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.taken: list[str] = []
        self.answer = answer
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def notify(self, *, title: str, body: str) -> bool:
        """Take one."""
        assert self.may_go_on.wait(10)
        self.taken.append(f"{title} | {body}")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def until(happened: Callable[[], bool]) -> None:
    """Wait until something is true, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_notice_reaches_every_target_and_counts_once() -> None:
    """In the order in which they were put."""
    first, second = Taker(), Taker()
    notifications = Notifications({"line 1": first, "line 2": second})
    notifications.put(HALT)
    notifications.close()
    assert ["PAPER kalshid: halted | by cli: a test"] == first.taken == second.taken
    assert {name: int(name == "delivered") for name in OUTCOMES} == notifications.counts
    assert notifications.failure is None


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next tries come within milliseconds."""
    monkeypatch.setattr("daemon.shell.notifications.RETRY_AFTER_S", (0.01, 0.02, 0.03))


@pytest.mark.parametrize("answer", [False, OSError(f"https://x:{SECRET}@host")])
def test_a_failed_delivery_is_logged_and_shown_at_once(answer: bool | Exception) -> None:
    """Which line failed and how, and nothing of what stands there; the other targets get theirs."""
    bad, good = Taker(answer), Taker()
    notifications = Notifications({"line 3": bad, "line 4": good})
    with capture_logs() as logs:
        notifications.put(HALT)
        until(lambda: notifications.failure is not None)
    assert (0, 1) == (notifications.counts["failed"], len(good.taken))
    assert "halt did not reach line 3, and is sent again" == notifications.failure
    (line,) = [one for one in logs if one["event"] == "notification.failed"]
    assert ("line 3", "error") == (line["target"], line["log_level"])
    assert SECRET not in str(logs) + str(notifications.failure)
    bad.answer = True
    notifications.close()
    assert (1, 1, 0) == tuple(notifications.counts[name] for name in ("delivered", "retried", "failed"))
    assert notifications.failure is None, "the end is one more try"


@pytest.mark.usefixtures("soon")
def test_it_is_tried_again_where_it_is_missed_and_nowhere_else() -> None:
    """Until it is taken; who had it gets it once, and newer ones go first."""
    bad, good = Taker(False), Taker()
    notifications = Notifications({"line 3": bad, "line 4": good})
    notifications.put(HALT)
    until(lambda: len(bad.taken) >= 2)
    bad.answer = True
    until(lambda: notifications.counts["delivered"] == 1)
    assert 1 == len(good.taken)
    assert (len(bad.taken) - 1, 0) == (notifications.counts["retried"], notifications.counts["failed"])
    assert notifications.failure is None
    notifications.close()


@pytest.mark.usefixtures("soon")
def test_tries_are_bounded_and_what_they_all_missed_has_failed() -> None:
    """Three more here; it stays shown until another one arrives."""
    bad = Taker(False)
    notifications = Notifications({"line 3": bad})
    notifications.put(HALT)
    until(lambda: notifications.counts["failed"] == 1)
    assert (4, 3) == (len(bad.taken), notifications.counts["retried"])
    assert "halt did not reach line 3, tried 4 times" == notifications.failure
    bad.answer = True
    notifications.put(HALT)
    until(lambda: notifications.failure is None)
    notifications.close()
    assert 5 == len(bad.taken)


def test_a_hanging_target_holds_nobody_up_and_what_finds_no_room_is_counted() -> None:
    """`put` returns at once, whatever waits; the queue is bounded; the end waits only so long."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += REFILL_S  # so that the budget is never what refuses
        return now

    stuck = Taker()
    stuck.may_go_on.clear()
    notifications = Notifications({"line 1": stuck}, clock)
    with capture_logs() as logs:
        for _ in range(WAITING_MAX + 5):
            notifications.put(HALT)
    assert notifications.counts["dropped"] in (4, 5), "one may be on its way already"
    assert f"{WAITING_MAX} notices wait already" == notifications.failure
    assert "notification.dropped" in {one["event"] for one in logs}
    notifications.close(0.05)
    stuck.may_go_on.set()
    until(lambda: len(stuck.taken) >= WAITING_MAX)


def test_a_flood_of_one_kind_leaves_room_for_another() -> None:
    """Six at once, then one each ten minutes; a halt has a budget of its own."""
    now = 0.0
    budget = Budget(lambda: now)
    assert [True] * BURST + [False] * 3 == [budget.take("finding") for _ in range(BURST + 3)]
    assert budget.take("halt")
    now = REFILL_S
    assert [True, False] == [budget.take("finding"), budget.take("finding")]
    now = REFILL_S * 100
    assert BURST == sum(budget.take("finding") for _ in range(BURST + 3))


def test_what_is_limited_is_counted() -> None:
    """And said in the log; it is no failure."""
    taker = Taker()
    notifications = Notifications({"line 1": taker}, lambda: 0.0)
    for _ in range(BURST + 2):
        notifications.put(HALT)
    notifications.close()
    assert (BURST, 2, BURST) == (
        notifications.counts["delivered"], notifications.counts["limited"], len(taker.taken)
    )  # fmt: skip


def urls_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    """A file of URLs."""
    path = folder / "urls"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_file_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So are one that isn't there and one without a URL; no message holds what stands in it."""
    path = urls_file(tmp_path, f"json://x:{SECRET}@127.0.0.1", 0o640)
    with pytest.raises(NotifyRefused, match=r"others can read it \(mode 640\): chmod 600") as refused:
        load_targets(path)
    assert SECRET not in str(refused.value)
    with pytest.raises(NotifyRefused, match="can't be read"):
        load_targets(tmp_path / "none")
    with pytest.raises(NotifyRefused, match="no URL in it"):
        load_targets(urls_file(tmp_path, "# nothing\n\n"))


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a traceback."""
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(NotifyRefused, match=r"pip install kalshid\[notify\]"):
        load_targets(urls_file(tmp_path, "json://127.0.0.1"))


@contextmanager
def receiver(stray: bytes = b"") -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A web hook on the loopback: its port, and what it was sent. `stray` stands among its headers."""
    taken: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def answer(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.flush_headers()
            self.wfile.write(stray)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    setattr(Hook, "do_POST", Hook.answer)  # noqa: B010 - the name that the library asks for
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
def test_apprise_delivers_to_a_web_hook(tmp_path: Path) -> None:
    """Title and body as they were put; a line that it doesn't know is named by its number only."""
    pytest.importorskip(
        "apprise", reason="the extra `notify` is not installed: nothing real is delivered here"
    )
    with receiver() as (port, taken):
        targets = load_targets(urls_file(tmp_path, f"# ours\njson://127.0.0.1:{port}/hook\n"))
        notifications = Notifications(targets)
        notifications.put(HALT)
        notifications.close()
    assert ["line 2"] == list(targets)
    assert [(HALT.title, HALT.body)] == [(one["title"], one["message"]) for one in taken]
    assert 1 == notifications.counts["delivered"]
    with pytest.raises(NotifyRefused, match="line 1: not a URL that apprise knows") as refused:
        load_targets(urls_file(tmp_path, f"nothing-known://{SECRET}"))
    assert SECRET not in str(refused.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
def test_apprise_that_reaches_nobody_fails_visibly(tmp_path: Path) -> None:
    """A closed port is a failed delivery, and the password in the URL is in no log."""
    pytest.importorskip(
        "apprise", reason="the extra `notify` is not installed: nothing real is delivered here"
    )
    with receiver() as (port, _):
        pass
    notifications = Notifications(load_targets(urls_file(tmp_path, f"json://me:{SECRET}@127.0.0.1:{port}")))
    with capture_logs() as logs:
        notifications.put(HALT)
        notifications.close(10)
    told = (notifications.counts["failed"], notifications.failure)
    assert (1, "halt did not reach line 1, tried 2 times") == told
    assert SECRET not in str(logs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
def test_what_the_libraries_below_say_of_an_address_is_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that answers askew has urllib3 warn with the whole URL: of a chat's, that is its password."""
    pytest.importorskip(
        "apprise", reason="the extra `notify` is not installed: nothing real is delivered here"
    )
    with receiver(b"no header\r\n") as (port, taken):
        url = f"json://127.0.0.1:{port}/bot{SECRET}/send"
        notifications = Notifications(load_targets(urls_file(tmp_path, url)))
        notifications.put(HALT)
        notifications.close()
    assert 1 == len(taken)
    assert SECRET not in caplog.text


class MailSink(socketserver.StreamRequestHandler):
    """A mail server that takes one letter a connection, and notes it."""

    def handle(self) -> None:
        """Speak as little SMTP as a client needs (RFC 5321)."""
        self.wfile.write(b"220 sink\r\n")
        is_letter = False
        for raw in self.rfile:
            line = raw.rstrip(b"\r\n")
            if is_letter:
                self.server.letters.append(line.decode())  # type: ignore[attr-defined]
                is_letter = line != b"."
            elif line[:4].upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                is_letter = True
                continue
            if not is_letter:
                self.wfile.write(b"250 ok\r\n")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own
def test_apprise_delivers_a_letter(tmp_path: Path) -> None:
    """Over SMTP to a real socket: the subject is the title, whose first word is PAPER or LIVE."""
    pytest.importorskip(
        "apprise", reason="the extra `notify` is not installed: nothing real is delivered here"
    )
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailSink) as server:
        letters: list[str] = []
        server.letters = letters  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = (
            f"mailto://127.0.0.1:{server.server_address[1]}?mode=insecure&from=a@example.org&to=b@example.org"
        )
        notifications = Notifications(load_targets(urls_file(tmp_path, url)))
        notifications.put(HALT)
        notifications.close(20)
        server.shutdown()
        thread.join(10)
    assert (1, None) == (notifications.counts["delivered"], notifications.failure)
    (subject,) = [line for line in letters if line.startswith("Subject:")]
    assert "PAPER" in subject
