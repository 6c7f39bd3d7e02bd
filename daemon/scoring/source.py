"""From a registry folder to the core: the model with its terms, and where a swapped one is looked for.

Live, whoever swaps has loaded the model before its event is told: `HandedModels` keeps it until the core
asks. A replay loads it from the registry by the same event: `RegistrySource`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from daemon.core.events import ModelSwapped
from daemon.core.models import Model, Range
from daemon.core.stability import Bins
from daemon.scoring.registry import LoadedModel, ModelRefused
from daemon.scoring.vetting import load_vetted


def core_model(loaded: LoadedModel) -> Model:
    """Return a loaded model as the core knows it, with its fingerprint, terms and how its training lay."""
    metadata = loaded.metadata
    ranges = tuple(Range(name, known.q001, known.q999) for name, known in metadata.ranges.items())
    bins = tuple(Bins(name, known.cuts, known.shares) for name, known in metadata.quantiles.items())
    return Model(loaded.scorer, metadata.fingerprint, metadata.expiry, ranges, bins, metadata.trained_until)


class HandedModels:
    """Models that are loaded and not yet swapped in, by fingerprint. Each is taken once.

    The same one may be told twice before the core gets to either: a replay loads it for both, so here each
    event finds its own.
    """

    def __init__(self) -> None:
        self._models: dict[str, list[Model]] = {}

    def hand(self, model: Model) -> None:
        """Keep a model for the event that names it."""
        self._models.setdefault(model.sha256, []).append(model)

    def get(self, event: ModelSwapped) -> Model | None:
        """Return the model of an event; None when nobody has handed it."""
        handed = self._models.get(event.sha256)
        if handed is None:
            return None
        model = handed.pop(0)
        if not handed:
            del self._models[event.sha256]
        return model


class RegistrySource:
    """Loads the models that a journal names, each by its fingerprint."""

    def __init__(self, moved: Sequence[Path] = (), load: Callable[[Path], LoadedModel] = load_vetted) -> None:
        """Build.

        Args:
            moved: folders of models that don't lie any more where the journal says.
            load: loads a folder, every part of it checked.
        """
        self._moved = tuple(moved)
        self._load = load

    def get(self, event: ModelSwapped) -> Model:
        """Return the model of a swap. Raises ModelRefused as `find`."""
        return self.find(event.path, event.name, event.version, event.sha256)

    def find(self, path: str, name: str, version: str, sha256: str) -> Model:
        """Return the model of this fingerprint, from one of the folders that have moved or from `path`.

        Raises:
            ModelRefused: none of them holds it, or what holds it is not whole.
        """
        problems = []
        for folder in (*self._moved, Path(path)):
            try:
                model = core_model(self._load(folder))
            except ModelRefused as error:
                problems.append(str(error))
                continue
            if model.sha256 == sha256:
                return model
            problems.append(f"{folder}: its sha256 is {model.sha256}")
        looked = "; ".join(problems)
        raise ModelRefused(f"the journal was scored by {name}/{version} with sha256 {sha256}: {looked}")
