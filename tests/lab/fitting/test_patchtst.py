"""PatchTST fitted: the same bytes twice, what torch says is what is served, and noise is not learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `torch`: make torch, or pip install kalshid[torch]")
pytest.importorskip("onnx", reason="needs the extra `lab`")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")

import torch

from daemon.lab.fitting import patchtst
from daemon.lab.fitting.patch_network import network_content
from daemon.lab.fitting.patchtst import fit_patchtst, stop_patchtst
from daemon.lab.fitting.rows import NotFitted
from daemon.lab.registry import register
from daemon.scoring.vetting import load_vetted
from tests.lab.fitting.made_rows import log_loss, made_rows
from tests.lab.fitting.made_sequences import CHANNELS, NAMES, STEPS, made_sequences
from tests.lab.fitting.test_patch_network import SMALL, draft, weights_of

QUICK = {"patch": 4, "width": 16, "layers": 1, "heads": 2, "feed": 16, "learning_rate": 3e-3, "batch": 128}


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Whatever torch drew before, and on how many threads; another seed gives others."""
    rows = made_sequences(events=200)
    first = fit_patchtst(rows, QUICK, 2, 7)
    torch.manual_seed(99)
    torch.set_num_threads(2)
    again = fit_patchtst(rows, QUICK, 2, 7)
    assert 2 == torch.get_num_threads()
    assert not torch.are_deterministic_algorithms_enabled()
    assert first == again
    assert first.content != fit_patchtst(rows, QUICK, 2, 8).content


def test_what_torch_says_is_what_is_served() -> None:
    """The network's file and torch's own operations differ by no more than a hundred-thousandth."""
    rows = made_sequences(events=200)
    weights = weights_of(SMALL)
    x = rows.x[~np.isnan(rows.x).any(axis=1)]
    tensors = {name: torch.from_numpy(one) for name, one in weights.items()}
    window = torch.from_numpy(x.astype(np.float32).reshape(-1, STEPS, len(CHANNELS)))
    said = torch.sigmoid(patchtst.logits(tensors, SMALL, window)).numpy()
    fitted = patchtst.FittedPatches(NAMES, STEPS, network_content(SMALL, weights), 1, {})
    served = fitted.predict(rows)
    assert np.abs(said - served[~np.isnan(served)]).max() <= 1e-5
    assert said.std() > 0.05


def test_a_signal_is_learned_and_a_missing_step_is_no_score() -> None:
    """On later events it beats the base rate by far; a row without a step is left out, not filled."""
    fitted = fit_patchtst(made_sequences(events=1_500), QUICK, 12, 1)
    later = made_sequences(seed=2, events=600)
    said = fitted.predict(later)
    known = np.isfinite(said)
    np.testing.assert_array_equal(~np.isnan(later.x).any(axis=1), known)
    rows = later.only(np.flatnonzero(known))
    assert log_loss(said[known], rows) < 0.55 < log_loss(np.full(rows.count, rows.y.mean()), rows)


def test_stopping_ends_where_the_later_part_gets_no_better() -> None:
    """A signal is followed for some epochs, noise for next to none; the loss is that of what is kept."""
    fit, later = made_sequences(events=800), made_sequences(seed=2, events=400)
    stopped = stop_patchtst(fit, later, QUICK, 1, rounds=4, epochs_max=12)
    coin = np.random.default_rng(5).integers(0, 2, size=800).astype(float)
    at_once = stop_patchtst(replace(fit, y=coin), later, QUICK, 1, rounds=4, epochs_max=12)
    assert at_once.epochs < stopped.epochs <= 12
    assert stopped.loss < 0.6 < at_once.loss
    kept = fit_patchtst(fit, QUICK, stopped.epochs, 1).predict(later)
    known = np.flatnonzero(np.isfinite(kept))
    assert stopped.loss == pytest.approx(log_loss(kept[known], later.only(known)), abs=1e-4)


def test_the_daemon_serves_it_without_torch(tmp_path: Path) -> None:
    """Registered, vetted by a child that never loads torch, and scored to the bit as it was judged."""
    rows = made_sequences(events=200)
    fitted = fit_patchtst(rows, QUICK, 2, 7)
    known = np.flatnonzero(~np.isnan(rows.x).any(axis=1))
    folder = register(tmp_path, replace(draft(), content=fitted.content, x=rows.x[known]))
    scorer = load_vetted(folder).scorer
    served = [scorer.score(row) for row in rows.x[known].tolist()]
    assert fitted.predict(rows)[known].tolist() == served


@pytest.mark.parametrize(
    ("parameters", "epochs", "said"),
    [
        ({"is_unbalance": True}, 1, "is_unbalance: no parameter of a PatchTST; there are: patch"),
        ({"patch": 5}, 1, "patch is 5, where a divisor of 12 steps"),
        ({}, 0, "epochs is 0, where 1 to 500"),
        ({"patch": 4, "learning_rate": 1e30}, 9, "a lower learning_rate is needed|not finite"),
    ],
)
def test_what_could_not_be_served_is_refused(
    parameters: dict[str, float | int | str | bool], epochs: int, said: str
) -> None:
    """Saying what is allowed."""
    with pytest.raises(NotFitted, match=said):
        fit_patchtst(made_sequences(events=60), parameters, epochs, 1)


def test_rows_that_are_no_sequence_are_refused() -> None:
    """Features of one instant, steps in another order, or none of which all steps are known."""
    with pytest.raises(NotFitted, match="4 features are no sequence"):
        fit_patchtst(made_rows(events=50).rows, QUICK, 1, 1)
    rows = made_sequences(events=60)
    rows.x[:, 0] = np.nan
    with pytest.raises(NotFitted, match="in none of 60 rows every one of 24 steps is known"):
        fit_patchtst(rows, QUICK, 1, 1)
