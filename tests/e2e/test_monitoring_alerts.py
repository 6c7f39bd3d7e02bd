"""Every alert is provoked: real daemons, real faults, a real Prometheus and Alertmanager, one webhook."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.e2e import home_faults, venue_faults
from tests.e2e.confident import write_confident
from tests.e2e.monitoring_rig import Monitoring, monitoring, needs_prometheus
from tests.e2e.provocation import PROVOCATIONS, WARDS, Provocation, of_ward
from tests.e2e.ward import Ward
from tests.test_grafana import RULES, alerts

FAULTS = (venue_faults, home_faults)
"""Whose import enters what they provoke in the list."""
SHORTER = 20
"""What must last, and every window, is so many times shorter than shipped: 15 minutes are 45 seconds."""
OVER_WITHIN_S = 90.0
"""So long an alert may go on after its fault: the longest window, and what it takes to be told."""
TRICKLES = {"account": 0, "models": 0}
"""Book messages a second, where they are others than usual."""
NOT_MUTED = {r"(?m)^ +mute_time_intervals: .*\n": ""}
"""On a Thursday night in New York some would be mute."""
NEED_ROOT = {"KalshidDiskFilling"}
"""A file system that fills needs a mount."""
ELSEWHERE = {
    "KalshidWatchdog": "always fires",
    "KalshidAbsent": "Prometheus' own configuration, below",
}


class Course(msgspec.Struct):
    """How it went with one alert. Seconds: since its fault began, and `over_s` since its end; None: never."""

    alert: str
    fault: str
    instance: str
    began: float
    fired_s: float
    arrived_s: float | None = None
    ended: float | None = None
    over_s: float | None = None

    def look(self, watch: Monitoring) -> bool:
        """Look whether it has arrived, and whether its end has; whether both have."""
        webhook = watch.webhook
        told = webhook.told_of(self.alert, self.instance, self.began, is_firing=True)
        self.arrived_s = None if told is None else told.at - self.began
        if self.ended is not None:
            over = webhook.told_of(self.alert, self.instance, self.ended, is_firing=False)
            self.over_s = None if over is None else over.at - self.ended
        return None not in (self.arrived_s, self.over_s)


def provoke(ward: Ward, one: Provocation) -> list[Course]:
    """Begin a fault, wait until its alerts fire and, inhibited ones apart, are told; end it."""
    began, found = time.monotonic(), dict[str, Course]()

    def all_fire() -> bool:
        for name in one.alerts:
            if name not in found and ward.fires(name):
                found[name] = Course(name, one.fault, ward.instance, began, time.monotonic() - began)
        return len(found) == len(one.alerts)

    with one.begun(ward):
        ward.until(all_fire, f"{one.alerts} fire: {one.fault}", one.within_s)
        for name in one.inhibited:
            ward.until(lambda name=name: ward.fires(name), f"{name} fires")  # type: ignore[misc]
            time.sleep(3)  # long enough to be told, were it to be
            assert ward.watch.webhook.told_of(name, ward.instance, began, is_firing=True) is None, name
        ended = time.monotonic()
    for course in found.values():
        course.ended = ended
    return list(found.values())


def visit(ward: Ward, provocations: list[Provocation], courses: list[Course]) -> list[str]:
    """Provoke all of a ward's, one after the other; return what went wrong."""
    wrong = []
    scraped = f'count_over_time(kalshid_ready{{instance="{ward.instance}"}}[1m])'
    ward.until(lambda: (ward.watch.value(scraped) or 0) >= 3, "it is scraped")
    for one in provocations:
        names = one.alerts
        try:
            ward.until(ward.is_trading, f"it trades, before {names}", OVER_WITHIN_S)
            ward.until(lambda: not any(map(ward.fires, names)), f"{names} are over", OVER_WITHIN_S)  # noqa: B023
            courses += provoke(ward, one)
            sys.stdout.write(f"provoked {names}\n")
            sys.stdout.flush()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            wrong.append(f"{names}: {error}")
    mine = [one for one in courses if one.instance == ward.instance]
    try:
        ward.until(
            lambda: sum(one.look(ward.watch) for one in mine) == len(mine), "all are over", OVER_WITHIN_S
        )
    except AssertionError:
        wrong += [f"never arrived, or never over: {one}" for one in mine if not one.look(ward.watch)]
    return wrong


@contextmanager
def wards(folder: Path) -> Iterator[dict[str, Ward]]:
    """Wards with a daemon that trades in each; all of it ends with the block."""
    model = write_confident(folder, 1)
    with ExitStack() as stack:
        found: dict[str, Ward] = {}
        for name, overrides in WARDS.items():
            ward = Ward(folder / name, model, overrides, trickle_per_s=TRICKLES.get(name, 20))
            stack.callback(ward.close)
            if name == "process" and os.geteuid() == 0:
                stack.enter_context(own_file_system(ward))
            ward.open()
            found[name] = ward
        yield found


@contextmanager
def own_file_system(ward: Ward) -> Iterator[None]:
    """Give a ward's state folder a file system of its own, whose size can be changed."""
    place = ward.folder / "var"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64g,mode=700", "none", str(place)], check=True)
    try:
        yield
    finally:
        ward.close()
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.full
def test_every_alert_is_provoked_arrives_and_is_over(tmp_path: Path) -> None:
    """Each fires for its fault, reaches the webhook (what is inhibited doesn't), and ends after it."""
    needs_prometheus()
    left_out = set() if os.geteuid() == 0 else NEED_ROOT
    courses: list[Course] = []
    with wards(tmp_path) as found:
        targets = ",".join(ward.instance for ward in found.values())
        with monitoring(tmp_path, targets, NOT_MUTED, shorter=SHORTER) as watch, ThreadPoolExecutor() as pool:
            for ward in found.values():
                ward.watch = watch
            visits = [
                pool.submit(
                    visit, ward, [one for one in of_ward(name) if not left_out & set(one.alerts)], courses
                )
                for name, ward in found.items()
            ]
            wrong = [line for one in visits for line in one.result()]
            wrong += unwatched(watch)
    for one in courses:
        sys.stdout.write(
            f"{one.alert:28} fired {one.fired_s:5.1f} s, arrived {one.arrived_s or -1:5.1f} s,"
            f" over {one.over_s or -1:5.1f} s: {one.fault}\n"
        )
    assert [] == wrong
    assert critical() - left_out == watch.webhook.heard["/now"]
    assert set(alerts()) == {one.alert for one in courses} | set(ELSEWHERE) | left_out
    if left_out:
        pytest.skip(f"not root, so nothing is mounted: all were provoked but {left_out}")


def critical() -> set[str]:
    """Return the alerts that somebody must look at now."""
    rule = r"- alert: (\w+)\n.*\n(?: +for: .*\n)? +labels: {severity: critical}"
    return set(re.findall(rule, RULES.read_text(encoding="utf-8")))


def unwatched(watch: Monitoring) -> list[str]:
    """Take the targets out of Prometheus' configuration, and wait until that is told."""
    watch.reload({r'targets: \["127[^]]*\]\n\Z': "targets: []\n"})
    deadline = time.monotonic() + 30
    while "KalshidAbsent" not in watch.webhook.names:
        if time.monotonic() > deadline:
            return ["KalshidAbsent never arrived"]
        time.sleep(0.25)
    return []


def test_each_alert_has_one_provocation() -> None:
    """None is left out, none is provoked twice, and each fault says what it is."""
    provoked = [name for one in PROVOCATIONS for name in one.alerts]
    assert sorted(alerts()) == sorted([*provoked, *ELSEWHERE])
    assert all(one.fault for one in PROVOCATIONS)
    assert set(WARDS) == {one.ward for one in PROVOCATIONS}
