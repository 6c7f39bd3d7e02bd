"""PatchTST fitted: a small transformer over sixty candles x channels. Needs the extra `torch`, to fit only.

Same rows, parameters and seed: the same bytes on the same machine, for it runs on one thread, on the CPU, by
operations that are deterministic. What is fitted is served as a network without torch (`patch_network`), and
here too every probability is the served one's: `predict` asks the daemon's own scorer, row by row.

A network has no branch for a missing value: rows that lack a step are left out, in fitting as in serving.
How many epochs is found where early stopping ends on an inner fold (`stop_patchtst`), never on what judges.

It is a challenger like any other. Measured on a month of bitcoin it was no better than two parameters
(quant.md 3.5; tests/lab/fitting/test_patchtst_bitcoin.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from daemon.core.scorer import FeatureSchema
from daemon.lab.fitting.patch_network import FLOOR, NORM_FLOOR, PatchShape, Weights, network_content
from daemon.lab.fitting.rows import FitRows, Floats, NotFitted, check_outcomes
from daemon.lab.fitting.sequences import channels_of
from daemon.scoring.onnx import OnnxScorer

Parameters: TypeAlias = Mapping[str, float | int | str | bool]
Tensors: TypeAlias = dict[str, Any]

OF_SHAPE = ("patch", "width", "layers", "heads", "feed")
DEFAULTS: dict[str, float | int] = {
    "patch": 12, "width": 32, "layers": 2, "heads": 4, "feed": 64,
    "learning_rate": 1e-3, "weight_decay": 1e-2, "dropout": 0.1, "batch": 64,
}  # fmt: skip
"""Parameters that may be chosen, and what they are where they aren't."""
EPOCHS_MAX = 500
_FIXED = ("center", "scale")


@dataclass(frozen=True)
class FittedPatches:
    """A network as its file. `steps` is the metadata's `sequence_length`."""

    names: tuple[str, ...]
    steps: int
    content: bytes
    epochs: int
    parameters: dict[str, float | int | str | bool]

    def predict(self, rows: FitRows) -> Floats:
        """Return P(YES) as the daemon would score it, shape (rows,); NaN where a step is missing."""
        scorer = OnnxScorer(
            self.content, Path("model.onnx"), name="patchtst", version="0", schema=FeatureSchema(self.names),
            sequence_length=self.steps,
        )  # fmt: skip
        x = _columns(rows, self.names)
        said = np.full(len(x), np.nan)
        for row in np.flatnonzero(~np.isnan(x).any(axis=1)):
            said[row] = scorer.score(x[row].tolist())
        return said


@dataclass(frozen=True)
class StoppedPatches:
    """Where early stopping ended on an inner fold: after how many epochs, and the log-loss (nats) there."""

    epochs: int
    loss: float


def fit_patchtst(rows: FitRows, parameters: Parameters, epochs: int, seed: int) -> FittedPatches:
    """Return a network trained for so many epochs on all of the rows.

    Args:
        rows: to fit, labels 0 and 1; their features are a sequence (`sequence_names`).
        parameters: of `DEFAULTS`.
        epochs: how often all rows are seen; found on inner folds, never on what it is judged by.
        seed: of the first weights, of the order of rows and of dropout.

    Raises:
        NotFitted: what must not be fitted; says what is allowed.
    """
    if not 1 <= epochs <= EPOCHS_MAX:
        raise NotFitted(f"epochs is {epochs}, where 1 to {EPOCHS_MAX} are allowed")
    trained = _Trained(rows, parameters, seed)
    with _by_seed(seed):
        for epoch in range(epochs):
            trained.learn(epoch)
    return FittedPatches(
        rows.names, trained.shape.steps, network_content(trained.shape, trained.told()), epochs,
        trained.settings,
    )  # fmt: skip


def stop_patchtst(
    fit: FitRows, later: FitRows, parameters: Parameters, seed: int, *, rounds: int, epochs_max: int
) -> StoppedPatches:
    """Return after how many epochs more of them stopped to make an inner fold's later part better.

    Args:
        fit: the inner fold's earlier part, to fit.
        later: its later part, to stop by: inside the training rows of the outer fold.
        parameters: as in `fit_patchtst`.
        seed: likewise.
        rounds: so many epochs without a better loss end it.
        epochs_max: at most so many epochs.

    Raises:
        NotFitted: as `fit_patchtst`.
    """
    if not 1 <= epochs_max <= EPOCHS_MAX or rounds < 1:
        raise NotFitted(f"epochs_max is {epochs_max}, rounds {rounds}: 1 to {EPOCHS_MAX}, and 1 or more")
    trained = _Trained(fit, parameters, seed)
    held = _Known(later)
    best = StoppedPatches(0, float("inf"))
    with _by_seed(seed):
        for epoch in range(epochs_max):
            trained.learn(epoch)
            loss = trained.loss(held)
            if loss < best.loss:
                best = StoppedPatches(epoch + 1, loss)
            elif epoch + 1 - best.epochs >= rounds:
                break
    return best


def _columns(rows: FitRows, names: tuple[str, ...]) -> Floats:
    return rows.x if rows.names == names else np.column_stack([rows.column(name) for name in names])


class _Known:
    """The rows in which every step is known, as the network takes them: (rows, steps, channels)."""

    def __init__(self, rows: FitRows) -> None:
        self.channels, self.steps = channels_of(rows.names)
        known = ~np.isnan(rows.x).any(axis=1)
        if not known.any():
            raise NotFitted(f"x: in none of {rows.count} rows every one of {len(rows.names)} steps is known")
        check_outcomes(rows.y[known])
        x = rows.x[known].astype(np.float32)
        self.x = torch.from_numpy(x.reshape(-1, self.steps, len(self.channels)))
        self.y = torch.from_numpy(rows.y[known].astype(np.float32))
        self.weight = torch.from_numpy((rows.weight[known] / rows.weight[known].mean()).astype(np.float32))


class _Trained:
    """Weights that learn, with what they learn from."""

    def __init__(self, rows: FitRows, parameters: Parameters, seed: int) -> None:
        if unknown := [name for name in parameters if name not in DEFAULTS]:
            raise NotFitted(f"{unknown[0]}: no parameter of a PatchTST; there are: {', '.join(DEFAULTS)}")
        self.settings: dict[str, float | int | str | bool] = {**DEFAULTS, **parameters}
        self._rows = _Known(rows)
        sizes = {name: int(self.settings[name]) for name in OF_SHAPE}
        self.shape = PatchShape(self._rows.steps, len(self._rows.channels), **sizes)
        # The order of rows and the first weights have a generator each: neither depends on how many rows.
        self._order = torch.Generator().manual_seed(seed)
        self._weights = _first_weights(self.shape, self._rows.x, torch.Generator().manual_seed(seed + 1))
        self._optimiser = torch.optim.AdamW(
            [one for name, one in self._weights.items() if name not in _FIXED],
            lr=float(self.settings["learning_rate"]),
            weight_decay=float(self.settings["weight_decay"]),
        )

    def learn(self, epoch: int) -> None:
        """See all rows once, in an order of their own for every epoch."""
        batch, rows = int(self.settings["batch"]), self._rows
        for places in torch.randperm(len(rows.y), generator=self._order).split(batch):
            said = logits(self._weights, self.shape, rows.x[places], float(self.settings["dropout"]))
            loss = functional.binary_cross_entropy_with_logits(said, rows.y[places], rows.weight[places])
            if not torch.isfinite(loss):
                raise NotFitted(f"epoch {epoch}: the loss is {loss.item()}: a lower learning_rate is needed")
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()

    def loss(self, held: _Known) -> float:
        """Return the weighted log-loss on other rows, in nats."""
        with torch.no_grad():
            said = torch.cat([logits(self._weights, self.shape, part) for part in held.x.split(4_096)])
            loss = functional.binary_cross_entropy_with_logits(said, held.y, held.weight)
        return float(loss)

    def told(self) -> Weights:
        """Return the weights as arrays."""
        return {name: one.detach().numpy().copy() for name, one in self._weights.items()}


def _first_weights(shape: PatchShape, x: Any, draws: Any) -> Tensors:
    """Matrices by Glorot, what is added 0, what is multiplied 1; the channels' own units from the rows."""
    weights: Tensors = {}
    for name, size in shape.weights.items():
        if name.endswith("_w"):
            spread = (2 / (size[0] + size[-1])) ** 0.5
            first = torch.randn(size, generator=draws) * spread
        else:
            first = torch.ones(size) if name.endswith("_g") else torch.zeros(size)
        weights[name] = first.requires_grad_(name not in _FIXED)
    weights["head_w"] = torch.zeros(shape.weights["head_w"]).requires_grad_()
    flat = x.double().reshape(-1, shape.channels)
    deviation = flat.std(dim=0, correction=0)
    weights["center"] = flat.mean(dim=0).float()[:, None]
    weights["scale"] = torch.where(deviation > 0, deviation, 1.0).float()[:, None]
    return weights


def logits(weights: Tensors, shape: PatchShape, x: Any, dropout: float = 0.0) -> Any:
    """Return the network's logits, shape (rows,), of a tensor (rows, steps, channels), by torch."""
    scaled = (x.transpose(1, 2) - weights["center"]) / weights["scale"]
    mean = scaled.mean(dim=2, keepdim=True)
    deviation = ((scaled - mean).square().mean(dim=2, keepdim=True) + FLOOR).sqrt()
    cut = ((scaled - mean) / deviation).reshape(-1, shape.tokens, shape.patch)
    tokens = _line(weights, "patch", cut) + weights["place_b"]
    for layer in range(shape.layers):
        taken = _looked(weights, shape, _normed(weights, f"look{layer}", tokens), layer)
        tokens = tokens + functional.dropout(taken, dropout, training=dropout > 0)
        wide = functional.relu(_line(weights, f"wide{layer}", _normed(weights, f"think{layer}", tokens)))
        taken = _line(weights, f"narrow{layer}", wide)
        tokens = tokens + functional.dropout(taken, dropout, training=dropout > 0)
    flat = _normed(weights, "last", tokens).reshape(-1, shape.channels, shape.tokens * shape.width)
    joined = torch.cat((flat, deviation.log(), mean), dim=2)
    each = (joined * weights["head_w"]).sum(dim=2, keepdim=True) + weights["head_b"]
    return (each.squeeze(2) @ torch.softmax(weights["share"], dim=0)).squeeze(1)


def _line(weights: Tensors, name: str, taken: Any) -> Any:
    return taken @ weights[f"{name}_w"] + weights[f"{name}_b"]


def _normed(weights: Tensors, name: str, taken: Any) -> Any:
    return functional.layer_norm(
        taken, taken.shape[-1:], weights[f"{name}_g"], weights[f"{name}_b"], NORM_FLOOR
    )


def _looked(weights: Tensors, shape: PatchShape, taken: Any, layer: int) -> Any:
    each = shape.width // shape.heads
    query, key, value = (
        _line(weights, f"{name}{layer}", taken).reshape(-1, shape.tokens, shape.heads, each).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    weighed = torch.softmax(query @ key.transpose(2, 3) / each**0.5, dim=-1)
    joined = (weighed @ value).transpose(1, 2).reshape(-1, shape.tokens, shape.width)
    return _line(weights, f"out{layer}", joined)


@contextmanager
def _by_seed(seed: int) -> Iterator[None]:
    """One thread, deterministic operations, dropout by the seed; afterwards all is as it was."""
    threads, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    settle: Callable[[bool], None] = torch.use_deterministic_algorithms
    torch.set_num_threads(1)
    settle(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 2)
            yield
    finally:
        torch.set_num_threads(threads)
        settle(was)
