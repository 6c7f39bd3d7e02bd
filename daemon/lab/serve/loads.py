"""Models, loaded when they are first asked: looked at by a child process, kept while they are asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from time import monotonic

from daemon.core.units import Ns
from daemon.lab.serve.bodies import Refusal, Refused
from daemon.lab.serve.shelf import Entry, without_root
from daemon.scoring.metadata import ModelRefused
from daemon.scoring.registry import LoadedModel
from daemon.scoring.vetting import TIMEOUT_S, load_vetted_async

LOADED_MAX = 16
REFUSED_FOR_S = 10.0
"""A folder may be half copied: after so long it is looked at again."""


class Loads:
    """The models that have been asked: at most `LOADED_MAX`, the one asked least lately goes first.

    One folder is looked at at a time, so that many requests for many models start one process, not many.
    """

    def __init__(self, root: Path, vet_timeout_s: float = TIMEOUT_S) -> None:
        self._root = root
        self._vet_timeout_s = vet_timeout_s
        self._loaded: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()
        self._turn = asyncio.Lock()

    @property
    def refusals(self) -> dict[str, str]:
        """Why models that were asked can't answer, by name/version."""
        return {model: reason for (model, _), (_, reason) in self._refused.items()}

    async def load(self, entry: Entry, now: Ns) -> LoadedModel:
        """Return a model, ready to score. A cancelled call leaves nothing half loaded.

        Raises:
            Refused: 503, it is expired, or the daemon would not load it.
        """
        expiry = entry.metadata.expiry
        if expiry is not None and expiry <= now:
            raise Refused(503, Refusal(f"{entry.model}: is expired since {entry.metadata.expires_at}"))
        key = (entry.model, entry.metadata_sha256)
        if key not in self._loaded:  # who is loaded waits for nobody
            async with self._turn:
                if key not in self._loaded:  # nor is it loaded twice by who waited
                    self._loaded[key] = await self._vetted(entry, key)
        self._loaded.move_to_end(key)
        found = self._loaded[key]
        while len(self._loaded) > LOADED_MAX:
            self._loaded.popitem(last=False)
        return found

    async def _vetted(self, entry: Entry, key: tuple[str, str]) -> LoadedModel:
        refused = self._refused.get(key)
        if refused is None or monotonic() - refused[0] >= REFUSED_FOR_S:
            self._refused.pop(key, None)
            try:
                loaded = await load_vetted_async(entry.folder, self._vet_timeout_s)
                if loaded.metadata_sha256 == entry.metadata_sha256:
                    return loaded
                refused = (monotonic(), "has changed since the registry was read; ask again")
            except ModelRefused as error:
                refused = (monotonic(), without_root(str(error), self._root))
            self._refused[key] = refused
            while len(self._refused) > LOADED_MAX:
                self._refused.popitem(last=False)
        raise Refused(503, Refusal(f"{entry.model} can't answer: {refused[1]}"))
