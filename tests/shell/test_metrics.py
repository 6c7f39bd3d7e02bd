"""Metrics: exact histograms against a brute force, and an exposition that the official parser reads."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from daemon.shell.families import FAMILIES
from daemon.shell.histogram import Histogram
from daemon.shell.metrics import BoundedLabels, Metrics, Sample, dollars


def test_money_becomes_dollars_and_unknown_stays_unknown() -> None:
    """The only place where money becomes a float."""
    assert 1.5 == dollars(1_500_000)
    assert dollars(None) is None


def told() -> Histogram:
    histogram = Histogram()
    for duration in (1_500, 3_000_000):
        histogram.observe_order(duration, "kx-1", 1_700_000_000_000_000_000)
    return histogram


def samples_of_all() -> dict[str, Sample | None]:
    """A made-up sample for every family, of the shape that its row in the table says."""
    found: dict[str, Sample | None] = {}
    for name, family in FAMILIES.items():
        if family.kind == "histogram":
            found[name] = {"one": told()} if family.labels else told()
        elif len(family.labels) == 1:
            found[name] = {"one": 1.0, 'odd "label"\n\\': 2.0}
        elif family.labels:
            found[name] = {family.labels: 1.0, tuple(f"{label} two" for label in family.labels): 2.0}
        else:
            found[name] = 3.0
    return found


def test_every_family_is_rendered_and_parses() -> None:
    """The official text parser finds each with its kind, its help, its labels and its values."""
    metrics = Metrics()
    metrics.serve(samples_of_all)
    parsed = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    for name, family in FAMILIES.items():
        found = parsed[name.removesuffix("_total") if family.kind == "counter" else name]
        assert (family.kind, family.help) == (found.type, found.documentation)
        values = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in found.samples}
        if family.kind == "histogram":
            one = [(label, "one") for label in family.labels]
            assert 2 == values[(f"{name}_count", *one)]
            assert pytest.approx(0.0030015) == values[(f"{name}_sum", *one)]
            assert 1 == values[(f"{name}_bucket", *sorted([*one, ("le", "2e-06")]))]
        elif len(family.labels) == 1:
            (label,) = family.labels
            assert {(name, (label, "one")): 1.0, (name, (label, 'odd "label"\n\\')): 2.0} == values
        elif family.labels:
            labels = [(label, label) for label in sorted(family.labels)]
            twos = [(label, f"{label} two") for label in sorted(family.labels)]
            assert {(name, *labels): 1.0, (name, *twos): 2.0} == values
        else:
            assert {(name,): 3.0} == values


def test_openmetrics_says_the_same_and_has_exemplars() -> None:
    """What its official parser reads has the same series, and the order of each bucket; it ends once."""
    metrics = Metrics()
    metrics.serve(samples_of_all)
    text, plain = metrics.render(is_open=True).decode(), metrics.render().decode()
    assert text.endswith("\n# EOF\n")
    parsed = list(openmetrics_families(text))  # type: ignore[no-untyped-call]
    same = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parsed
        for sample in family.samples
        if not sample.name.startswith("process_")
    }
    assert same == {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(plain)
        for sample in family.samples
        if not sample.name.startswith("process_")
    }
    found = [sample for family in parsed for sample in family.samples if sample.exemplar]
    assert {"client_order_id": "kx-1"} in [sample.exemplar.labels for sample in found]
    assert "kx-1" not in plain


def test_a_large_family_is_rendered_in_pieces_under_one_head() -> None:
    """Every series is there, and the loop turns in between: no family is worth a late tick."""
    endpoints = [f"e{number}" for number in range(40)]
    counts: dict[tuple[str, ...], float] = {(one, code): 1.0 for one in endpoints for code in ("2xx", "5xx")}
    histograms = {endpoint: told() for endpoint in endpoints}
    metrics = Metrics()
    metrics.serve(lambda: {"kalshid_api_requests_total": counts, "kalshid_api_request_seconds": histograms})
    text = metrics.render().decode()
    for name in ("kalshid_api_requests_total", "kalshid_api_request_seconds"):
        assert 1 == text.count(f"# TYPE {name} ")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    found = [(one.labels["endpoint"], one.labels["code"]) for one in families["kalshid_api_requests"].samples]
    assert list(counts) == found
    summed = [one for one in families["kalshid_api_request_seconds"].samples if one.name.endswith("_sum")]
    assert list(histograms) == [one.labels["endpoint"] for one in summed]

    async def turns() -> int:
        rendering = asyncio.create_task(metrics.render_in_turns())
        passed = 0
        async with asyncio.timeout(10):
            while not rendering.done():
                passed += 1
                await asyncio.sleep(0)
        return passed

    assert asyncio.run(turns()) > 20


def test_what_is_unknown_is_left_out() -> None:
    """No sample at all, rather than a zero that was never true."""
    metrics = Metrics()
    metrics.serve(lambda: {"kalshid_cash_dollars": None, "kalshid_inbox_depth": 0.0})
    text = metrics.render().decode()
    assert "kalshid_cash_dollars" not in text
    assert "kalshid_inbox_depth 0.0" in text


def test_the_source_is_asked_at_every_scrape() -> None:
    """Nothing is computed between scrapes and nothing is remembered from one to the next."""
    metrics = Metrics()
    depths = iter([1.0, 2.0])
    metrics.serve(lambda: {"kalshid_inbox_depth": next(depths)})
    assert "kalshid_inbox_depth 1.0" in metrics.render().decode()
    assert "kalshid_inbox_depth 2.0" in metrics.render().decode()


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9)), max_size=12))
def test_labels_from_outside_are_few_and_never_count_backwards(rounds: list[dict[str, int]]) -> None:
    """At most so many names and "other"; every series only grows, and nothing counted is left out."""
    labels, counts, last = BoundedLabels(3), dict[str, int](), dict[str, float]()
    for added in rounds:
        for name, count in added.items():
            counts[name] = counts.get(name, 0) + count
        shown = labels.bound(counts)
        assert len(shown) <= 4
        assert float(sum(counts.values())) == sum(shown.values())
        assert all(shown[name] >= value for name, value in last.items())
        last = shown


def test_of_names_that_are_new_the_largest_keep_theirs() -> None:
    """What happens most is named, as far as it is known when it is first asked for."""
    assert {"b": 5.0, "c": 3.0, "other": 2.0} == BoundedLabels(2).bound({"a": 2, "b": 5, "c": 3})


def test_the_process_tells_of_itself() -> None:
    """Memory, and when it was started: what shows a leak, and a daemon that keeps starting anew."""
    text = Metrics().render().decode()
    for name in ("process_start_time_seconds", "process_resident_memory_bytes"):
        assert f"\n{name} " in text


def test_a_scrape_in_turns_says_the_same_and_all_of_one_moment() -> None:
    """What others do between two turns is in none of it: the samples were read first, the histograms too."""

    async def scraped() -> tuple[bytes, int]:
        metrics, depths = Metrics(), iter([7.0, 8.0])
        metrics.decision.observe(1_000)
        metrics.serve(
            lambda: {
                **{name: 1.0 for name, family in FAMILIES.items() if not family.labels},
                "kalshid_decision_seconds": metrics.decision,
                "kalshid_queue_wait_seconds": metrics.queue_wait,
                "kalshid_loop_lag_seconds": metrics.loop_lag,
                "kalshid_order_request_seconds": metrics.order_request,
                "kalshid_read_wait_seconds": metrics.read_wait,
                "kalshid_inbox_depth": next(depths),
            }
        )
        turns = 0

        async def meddle() -> None:
            nonlocal turns
            while True:
                metrics.decision.observe(1_000)
                metrics.read_wait.observe(1_000)
                turns += 1
                await asyncio.sleep(0)

        meddling = asyncio.create_task(meddle())
        async with asyncio.timeout(10):
            text = await metrics.render_in_turns()
        meddling.cancel()
        return text, turns

    text, turns = asyncio.run(scraped())
    assert turns > 5
    for line in (
        b"kalshid_decision_seconds_count 1.0",
        b"kalshid_read_wait_seconds_count 0.0",
        b"kalshid_inbox_depth 7.0",
    ):
        assert line in text
    names = {family.name for family in text_string_to_metric_families(text.decode())}
    assert "process_start_time" in "".join(names)
