"""The network's file: what it says is what the formulas say, and the daemon serves it like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="needs the extra `lab`")
pytest.importorskip("sklearn", reason="needs the extra `lab`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

from daemon.core.events import ReferenceCandleClosed
from daemon.core.features import FeatureSet, ReferenceFeatures
from daemon.core.scorer import FeatureSchema
from daemon.core.units import MINUTE, MONEY_ONE, SECOND
from daemon.lab.fitting.patch_network import FLOOR, NORM_FLOOR, PatchShape, Weights, network_content
from daemon.lab.fitting.rows import Floats, NotFitted
from daemon.lab.registry import Draft, register
from daemon.scoring.metadata import Label, ModelRefused, Training
from daemon.scoring.onnx import OnnxScorer
from daemon.scoring.vetting import load_vetted
from tests.core.features.told import START, market
from tests.lab.fitting.made_sequences import CHANNELS, NAMES, STEPS, made_sequences

SMALL = PatchShape(steps=STEPS, channels=2, patch=4, width=8, layers=2, heads=2, feed=6)


def weights_of(shape: PatchShape, seed: int = 1) -> Weights:
    """Any weights."""
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.normal(size=size, scale=0.4).astype(np.float32) for name, size in shape.weights.items()
    }
    scale = np.full((shape.channels, 1), 5e-4, dtype=np.float32)
    return drawn | {"center": drawn["center"] * scale, "scale": scale}


def normed(taken: Floats, weights: Weights, name: str) -> Floats:
    apart = taken - taken.mean(axis=-1, keepdims=True)
    spread = np.sqrt(taken.var(axis=-1, keepdims=True) + NORM_FLOOR)
    return np.asarray(apart / spread * weights[f"{name}_g"] + weights[f"{name}_b"], dtype=np.float64)


def softmax(taken: Floats) -> Floats:
    powers = np.exp(taken - taken.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def said_by_formula(shape: PatchShape, weights: Weights, window: Floats) -> float:
    """One window (steps, channels), channel by channel, in double precision."""
    own = {name: array.astype(np.float64) for name, array in weights.items()}

    def line(taken: Floats, name: str) -> Floats:
        return np.asarray(taken @ own[f"{name}_w"] + own[f"{name}_b"], dtype=np.float64)

    heads = []
    for channel in range(shape.channels):
        series = (window[:, channel] - own["center"][channel]) / own["scale"][channel]
        spread = np.sqrt(series.var() + FLOOR)
        tokens = line(((series - series.mean()) / spread).reshape(shape.tokens, shape.patch), "patch")
        tokens = tokens + own["place_b"]
        for layer in range(shape.layers):
            looking = normed(tokens, weights, f"look{layer}")
            query, key, value = (line(looking, f"{name}{layer}") for name in ("query", "key", "value"))
            parts = []
            for columns in np.split(np.arange(shape.width), shape.heads):
                fits = query[:, columns] @ key[:, columns].T / np.sqrt(len(columns))
                parts.append(softmax(fits) @ value[:, columns])
            tokens = tokens + line(np.hstack(parts), f"out{layer}")
            thinking = np.maximum(line(normed(tokens, weights, f"think{layer}"), f"wide{layer}"), 0)
            tokens = tokens + line(thinking, f"narrow{layer}")
        joined = np.concatenate((normed(tokens, weights, "last").ravel(), [np.log(spread), series.mean()]))
        heads.append(joined @ own["head_w"][channel] + own["head_b"][channel, 0])
    return float(1 / (1 + np.exp(-(softmax(own["share"][:, 0]) @ np.array(heads)))))


def scorer_of(content: bytes) -> OnnxScorer:
    """The daemon's own."""
    return OnnxScorer(
        content, Path("model.onnx"), name="m", version="1", schema=FeatureSchema(NAMES), sequence_length=STEPS
    )


SCORER = scorer_of(network_content(SMALL, weights_of(SMALL)))


@settings(max_examples=50)
@given(st.lists(st.floats(-(2.0**-8), 2.0**-8, width=32), min_size=2 * STEPS, max_size=2 * STEPS))
def test_the_network_says_what_the_formulas_say(row: list[float]) -> None:
    """To single precision, for any window; a window that stands still included."""
    expected = said_by_formula(SMALL, weights_of(SMALL), np.array(row).reshape(STEPS, 2))
    assert expected == pytest.approx(SCORER.score(row), abs=2e-5)


def test_a_still_window_has_a_score() -> None:
    """No deviation is no division by nothing."""
    assert 0 < SCORER.score([0.0] * (2 * STEPS)) < 1


def test_the_same_weights_are_the_same_bytes() -> None:
    """Nothing of the instant, the machine or the library's version is in the file."""
    assert network_content(SMALL, weights_of(SMALL)) == network_content(SMALL, weights_of(SMALL))
    assert network_content(SMALL, weights_of(SMALL)) != network_content(SMALL, weights_of(SMALL, seed=2))


def test_the_default_is_as_small_as_was_measured() -> None:
    """Eighteen thousand parameters for sixty steps of five channels, whose speed stands in scoring.onnx."""
    count = sum(int(np.prod(size)) for size in PatchShape(steps=60, channels=5).weights.values())
    assert 17_000 < count < 19_000


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"patch": 5}, "patch is 5, where a divisor of 12 steps"),
        ({"heads": 3}, "heads is 3, where a divisor of the width 32"),
        ({"layers": 0}, "layers is 0, where 1 or more"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(terms: dict[str, int], said: str) -> None:
    """Saying what is allowed."""
    with pytest.raises(NotFitted, match=said):
        PatchShape(steps=12, channels=2, **{"patch": 4, **terms})


def test_weights_that_are_not_the_shapes_are_refused() -> None:
    """One that is missing, of another shape, or no number: nothing of it is written."""
    whole = weights_of(SMALL)
    with pytest.raises(NotFitted, match="missing or unknown: share"):
        network_content(SMALL, {name: one for name, one in whole.items() if name != "share"})
    with pytest.raises(NotFitted, match=r"patch_b is float32 \(3,\), where float32 \(8,\)"):
        network_content(SMALL, {**whole, "patch_b": np.zeros(3, dtype=np.float32)})
    with pytest.raises(NotFitted, match="last_g has a value that is not finite"):
        network_content(SMALL, {**whole, "last_g": np.full(8, np.nan, dtype=np.float32)})


def draft() -> Draft:
    """A sequence model as the lab registers it."""
    x = made_sequences(events=60).x
    return Draft(
        name="sequence", kind="onnx", names=NAMES, required=NAMES,
        content=network_content(SMALL, weights_of(SMALL)), x=x[~np.isnan(x).any(axis=1)],
        label=Label(definition="settles YES", horizon="to the close"),
        training=Training(
            source="made up", seed=1, split="none", markets_by_part={}, rows_by_part={}, trees=0,
            parameters={},
        ),
        metrics={}, notes="a test's", sequence_length=STEPS,
    )  # fmt: skip


def test_it_is_vetted_and_served_on_the_rows_that_the_daemon_computes(tmp_path: Path) -> None:
    """From closed candles to a score: the live features say what the closes say, oldest step first."""
    loaded = load_vetted(register(tmp_path, draft()))
    rng = np.random.default_rng(3)
    closes = (85_000 * np.exp(np.cumsum(rng.normal(size=STEPS + 1, scale=1e-3))) * MONEY_ONE).astype(int)
    highs = closes + rng.integers(0, 100 * MONEY_ONE, size=STEPS + 1)
    reference = ReferenceFeatures()
    features = FeatureSet(FeatureSchema(NAMES), market(), reference)
    now = START // MINUTE * MINUTE + 30 * SECOND
    for place, (close, high) in enumerate(zip(closes.tolist(), highs.tolist(), strict=True)):
        began_at = now // MINUTE * MINUTE - (STEPS + 1 - place) * MINUTE
        reference.candles.on_candle(
            ReferenceCandleClosed("x", "BTC/USD", MINUTE, began_at, close, high, close, close, 0, now)
        )
    batch = np.column_stack((np.diff(np.log(closes)), np.log(highs[1:] / closes[1:])))
    row = features.row(now)
    assert batch.ravel().tolist() == pytest.approx(row, rel=1e-9, abs=1e-12)
    # The vetted model rounds nothing but to single precision, as the network does.
    assert loaded.scorer.score(row) == SCORER.score(row)
    assert (len(CHANNELS) * STEPS, frozenset(NAMES)) == (len(row), loaded.scorer.required)


def test_a_sequence_told_with_another_length_is_refused(tmp_path: Path) -> None:
    """The vetting child sees that the network takes other steps than the metadata says."""
    with pytest.raises(ModelRefused, match=r"expected floats \[1, 6, 4\]"):
        register(tmp_path, replace(draft(), sequence_length=6))
    assert not (tmp_path / "sequence").exists()
