"""The registry as it was read last: which models there are, who is champion, who answers by default.

Only metadata is read here, within a bound, into structs; no model is loaded (`loads`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from daemon.core.units import Ns
from daemon.lab.daily_table import FILE as DAILY_FILE
from daemon.lab.judging.report import JSON_FILE
from daemon.lab.promotion import RECORD_FILE, Change, NotPromoted, champion_of, read_record
from daemon.lab.registry import report_folder
from daemon.lab.serve.bodies import Champion, Chosen, ModelEntry, Models, Refusal, Refused
from daemon.scoring.metadata import METADATA_FILE, ModelMetadata, file_sha256

DAILY_LINE: Final = "daily"
"""Its champion answers where a request names no model."""
MODELS_MAX = 500
METADATA_BYTES_MAX = 4 * 1024 * 1024
_NAME = re.compile("[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Entry:
    """One model's folder, by what its metadata says."""

    folder: Path
    metadata: ModelMetadata
    metadata_sha256: str
    written_at: Ns

    @property
    def model(self) -> str:
        """How requests name it."""
        return f"{self.folder.parent.name}/{self.folder.name}"


@dataclass(frozen=True)
class Shelf:
    """What the registry held when it was read; `entries` newest first, `unreadable` by model."""

    entries: tuple[Entry, ...] = ()
    left_out: int = 0
    champions: dict[str, Change] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    fault: str | None = None


def shelf_stamp(root: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return what differs when the registry has changed: file, instant, size and number of each."""
    found = []
    for path in [root / RECORD_FILE, *_metadata_files(root)]:
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def read_shelf(root: Path) -> Shelf:
    """Return what the registry holds; what can't be read is named, and nothing is raised for it."""
    entries, unreadable = [], {}
    for path in _metadata_files(root):
        model = f"{path.parent.parent.name}/{path.parent.name}"
        try:
            entries.append(_entry(path))
        except (OSError, ValueError, RecursionError) as error:
            unreadable[model] = without_root(f"{path}: {error}", root)
    entries.sort(key=lambda entry: (-entry.written_at, entry.model))
    champions: dict[str, Change] = {}
    fault = None
    try:
        for line in dict.fromkeys(change.line for change in read_record(root)):
            change = champion_of(root, line)
            if change is not None:
                champions[line] = change
    except (NotPromoted, OSError) as error:
        fault = without_root(str(error), root)
    left_out = max(0, len(entries) - MODELS_MAX)
    return Shelf(tuple(entries[:MODELS_MAX]), left_out, champions, unreadable, fault)


def choose(shelf: Shelf, asked: str | None) -> tuple[Entry, Chosen]:
    """Return the model that answers, and why it.

    Raises:
        Refused: 422 where the request names a model that is none; 503 where none is named and the champion
            is not there as it was promoted, or no model is there at all.
    """
    by_model = {entry.model: entry for entry in shelf.entries}
    if asked is not None:
        if asked in by_model:
            return by_model[asked], "asked for"
        raise Refused(
            422, Refusal(f"model: no {asked[:100]!r} in the registry", allowed=tuple(by_model)[:50])
        )
    if shelf.fault is not None:
        raise Refused(503, Refusal(f"who is champion can't be read: {shelf.fault}"))
    champion = shelf.champions.get(DAILY_LINE)
    if champion is None:
        if not shelf.entries:
            raise Refused(503, Refusal("the registry has no model"))
        return shelf.entries[0], "newest"
    entry = by_model.get(f"{champion.name}/{champion.version}")
    # Another model than the one that was promoted must not answer under its name.
    if entry is None or entry.metadata_sha256 != champion.metadata_sha256:
        state = "is not in the registry" if entry is None else "is not what it was when it was promoted"
        raise Refused(
            503, Refusal(f"the champion of {DAILY_LINE}, {champion.name}/{champion.version}, {state}")
        )
    return entry, "champion"


def listing(shelf: Shelf, refusals: dict[str, str]) -> Models:
    """Return the shelf as `GET /models` says it; `refusals` are those of models that were asked."""
    try:
        default, chosen = choose(shelf, None)
    except Refused:
        default, chosen = None, None
    lines = {
        entry.model: tuple(
            line
            for line, change in shelf.champions.items()
            if (f"{change.name}/{change.version}", change.metadata_sha256)
            == (entry.model, entry.metadata_sha256)
        )
        for entry in shelf.entries
    }
    return Models(
        default=None if default is None else default.model,
        chosen=chosen,
        models=tuple(
            _listed(entry, lines[entry.model], refusals.get(entry.model)) for entry in shelf.entries
        ),
        left_out=shelf.left_out,
        champions=tuple(
            Champion(line, f"{change.name}/{change.version}", change.at, change.reason)
            for line, change in shelf.champions.items()
        ),
        unreadable=shelf.unreadable,
        fault=shelf.fault,
    )


def without_root(text: str, root: Path) -> str:
    """Return a message without the registry's own path: who asks need not know where it lies."""
    return text.replace(f"{root.absolute()}/", "").replace(f"{root}/", "")


def _metadata_files(root: Path) -> list[Path]:
    return sorted(
        path
        for path in root.glob(f"*/*/{METADATA_FILE}")
        if _NAME.fullmatch(path.parent.name) and _NAME.fullmatch(path.parent.parent.name)
    )


def _entry(path: Path) -> Entry:
    stat = path.stat()
    if not path.is_file() or stat.st_size > METADATA_BYTES_MAX:
        raise ValueError(f"is no regular file, or larger than {METADATA_BYTES_MAX} bytes")
    content = path.read_bytes()
    metadata = msgspec.json.decode(content, type=ModelMetadata)
    _ = metadata.expiry  # a day that no calendar has is refused here
    return Entry(path.parent, metadata, file_sha256(content), stat.st_mtime_ns)


def _listed(entry: Entry, champion_of: tuple[str, ...], refusal: str | None) -> ModelEntry:
    said = entry.metadata
    reports = report_folder(entry.folder)
    return ModelEntry(
        model=entry.model,
        status="champion" if champion_of else said.status,
        champion_of=champion_of,
        kind=said.kind,
        output=said.output,
        label=said.label.definition,
        horizon=said.label.horizon,
        metadata_sha256=entry.metadata_sha256,
        features=tuple(feature.name for feature in said.feature_schema),
        required=said.required,
        trained_to=said.training.ends_at,
        expires_at=said.expires_at,
        metrics=said.metrics,
        has_report=(reports / JSON_FILE).is_file(),
        has_daily_table=(reports / DAILY_FILE).is_file(),
        refusal=refusal,
    )
