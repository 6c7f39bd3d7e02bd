"""What a booster went by: each feature's share of the gain of splits, and its mean |SHAP| on held-out rows.

Gain is of the training rows, and flatters what overfits; SHAP on rows that were held out says what moved the
model where it is judged. LightGBM computes it exactly (`pred_contrib`), in the unit of the raw score: logits,
or dollars of a regressor. Neither says that a feature is a cause, nor what the market did not know already.

Source: Lundberg, Erion, Lee, Consistent Individualized Feature Attribution for Tree Ensembles, 2018.
"""

from __future__ import annotations

import lightgbm
import numpy as np

from daemon.lab.fitting.rows import Floats, NotFitted
from daemon.lab.fitting.trees import FittedTrees
from daemon.lab.judging.report import Importance

CHUNK_ROWS = 65_536


def tree_importance(
    fitted: FittedTrees, names: tuple[str, ...], x: Floats, weight: Floats | None = None
) -> tuple[Importance, ...]:
    """Return every feature's importance, the greatest mean |SHAP| first, then by name.

    Args:
        fitted: the booster; of a residual what it adds to the other model.
        names: its features, in its order.
        x: held-out rows, shape (rows, features), NaN for unknown.
        weight: what each row counts, shape (rows,); None for 1 each.

    Raises:
        NotFitted: no rows, or features that are not the booster's.
    """
    booster = lightgbm.Booster(model_str=fitted.text.decode())
    if tuple(booster.feature_name()) != names:
        raise NotFitted(f"names: the booster has others: {', '.join(booster.feature_name())}")
    if x.ndim != 2 or x.shape[1] != len(names) or not len(x):
        raise NotFitted(f"x is of shape {x.shape}, where rows of {len(names)} features are allowed")
    counts = np.ones(len(x)) if weight is None else weight
    total = np.zeros(len(names))
    for begin in range(0, len(x), CHUNK_ROWS):
        part = slice(begin, begin + CHUNK_ROWS)
        said: Floats = np.asarray(booster.predict(x[part], pred_contrib=True, num_threads=1))
        total += counts[part] @ np.abs(said[:, :-1])  # the last column is what all rows start from
    shap = total / counts.sum()
    gain = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    shares = gain / gain.sum() if gain.sum() > 0 else gain
    found = [
        Importance(name, float(share), float(mean))
        for name, share, mean in zip(names, shares, shap, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.shap, one.feature)))
