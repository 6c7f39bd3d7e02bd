"""Datasets: the daemon's own rows of tapes, with labels, weights and groups, as Parquet with a manifest.

Columns of `rows.parquet`, by session and then by instant:

| column | what |
|---|---|
| `ticker`, `session` | the market, and `<number of the tape>-<session>` that it was seen in |
| `at` | the row's instant, by our clock (Ns) |
| `open_at`, `close_at` | the market's life as it was in the end |
| `event`, `settlement` | the groups: rows of one event, or of one underlying at one close, hang together |
| `quote_bid`, `quote_ask` | the best YES bid and ask at `at`, in 1e-4 $; null where there is none |
| `quote_bid_size`, `quote_ask_size` | their sizes in 0.01 contract |
| `quote_mid` | in dollars; null while a side is missing |
| the features by their names | what the daemon knew at `at`; null is unknown |
| `label_<name>`, `until_<name>`, `weight_<name>` | what became of it, when that was known, what it counts |

Features and quotes are of `at` or before. Labels, `until`, weights and `close_at` are not: none of them is
ever an input of a model.

A build is resumable by session and idempotent: the same recipe in the same folder is done already, and
another recipe there is refused. The same recipe gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from daemon.core.markets import MarketResult
from daemon.core.reference import ReferenceConfig
from daemon.core.scorer import FeatureSchema
from daemon.core.units import SECOND, Ns
from daemon.exchange.tape import MANIFEST_NAME as TAPE_MANIFEST_NAME
from daemon.exchange.tape import TapeMarket, TapeSession
from daemon.lab.dataset_manifest import (
    FORMAT,
    MANIFEST_NAME,
    ROWS_NAME,
    VERSION,
    DatasetError,
    Manifest,
    Recipe,
    check_rows,
    differences,
    encode_json,
    file_sha256,
    read_manifest,
    read_recipe,
    recipe_of,
    recipe_sha256,
    tape_input,
)
from daemon.lab.dataset_parts import Part, name_part, write_rows
from daemon.lab.dataset_rows import Group, write_dataset
from daemon.lab.labels import parse_label
from daemon.lab.sampling import Sampler, Sampling
from daemon.lab.tape_events import events_of
from daemon.sandbox.flows.tape import TapeFolder

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with (session, records done, records in all) when a session is done."""

PARTS_NAME = "parts"
RECIPE_NAME = "recipe.json"


class Tapes:
    """The tapes of a build, opened: their sessions in the order of rows, and their markets, each once."""

    def __init__(self, folders: Sequence[Path], sessions: Sequence[str] = ()) -> None:
        """Open tape folders.

        Args:
            folders: the tapes; their order is that of the rows.
            sessions: only these; none for all that have book changes.

        Raises:
            TapeError: a folder is no tape.
            DatasetError: no such session, or two tapes contradict each other on how a market ended.
        """
        self.folders = [TapeFolder(folder) for folder in folders]
        known = {entry.session for folder in self.folders for entry in folder.manifest.sessions}
        if absent := [name for name in sessions if name not in known]:
            raise DatasetError(f"no such session: {', '.join(absent)}; there are: {', '.join(sorted(known))}")
        self.sessions: dict[str, tuple[TapeFolder, TapeSession]] = {}
        self.markets: dict[str, TapeMarket] = {}
        for number, folder in enumerate(self.folders):
            for entry in folder.manifest.sessions:
                if entry.session in sessions or (not sessions and entry.counts.deltas):
                    self.sessions[f"{number}-{entry.session}"] = (folder, entry)
            for market in folder.manifest.markets:
                self._learn(market, folder.folder)
        if not self.sessions:
            raise DatasetError("no session with a change of a book in these tapes")

    def _learn(self, market: TapeMarket, folder: Path) -> None:
        known = self.markets.get(market.ticker)
        if known is None or known.outcome is None:
            self.markets[market.ticker] = market
        elif market.outcome not in (None, known.outcome):
            raise DatasetError(
                f"{folder / TAPE_MANIFEST_NAME}: {market.ticker} ended {market.outcome},"
                f" but another tape says {known.outcome}"
            )

    def groups(self) -> dict[str, Group]:
        """Return what the rows of each market belong to."""
        return {ticker: group_of(market) for ticker, market in self.markets.items()}


def group_of(market: TapeMarket) -> Group:
    """Return a market's event, settlement, life and outcome.

    Markets on one underlying that close together hang on the same number, whatever their series.
    """
    series = [
        one.series for one in ReferenceConfig().underlyings if market.series_ticker.startswith(one.series)
    ]
    underlying = max(series, key=len, default=market.series_ticker)
    closes = datetime.fromtimestamp(market.close_at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    outcome: MarketResult | None = market.outcome
    return Group(market.event_ticker, f"{underlying}@{closes}", market.open_at, market.close_at, outcome)


def build_dataset(
    tapes: Sequence[Path],
    target: Path,
    schema: FeatureSchema,
    sampling: Sampling,
    labels: Iterable[str],
    *,
    required: Iterable[str] = (),
    sessions: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Make a dataset of tapes in a folder and return its manifest.

    Args:
        tapes: tape folders.
        target: the dataset's folder; made when absent. What an interrupted build left there is gone on with.
        schema: the features, in order.
        sampling: when rows are taken.
        labels: see `labels.parse_label`.
        required: features without which there is no row.
        sessions: only these; none for all that have book changes.
        progress: told when a session is done.

    Raises:
        DatasetError: the folder holds another dataset, or what is asked for can't be; says what is allowed.
        TapeError: a tape is damaged or none.
        ValueError: no such feature or label.
    """
    opened = Tapes(tapes, sessions)
    wanted = [parse_label(name) for name in dict.fromkeys(labels)]
    if sampling.rule == "decision" and (bare := _without_decisions(opened)):
        raise DatasetError(f"no decisions on the tape in session {bare}: sample it by a grid (--every)")
    recipe = recipe_of(
        (
            tape_input(
                folder.folder,
                (folder.folder / TAPE_MANIFEST_NAME).read_bytes(),
                folder.manifest,
                [entry.session for place, entry in opened.sessions.values() if place is folder],
            )
            for folder in opened.folders
        ),
        schema, required, sampling, [label.name for label in wanted],
    )  # fmt: skip
    if (finished := _finished(target, recipe)) is not None:
        return finished
    parts = _begin(target, recipe)
    part_files = _sample_sessions(opened, parts, recipe, schema, progress)
    draft = target / f".{ROWS_NAME}.draft"
    counts = write_dataset(draft, part_files, opened.groups(), wanted, schema.names)
    draft.replace(target / ROWS_NAME)
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        recipe=recipe,
        recipe_sha256=recipe_sha256(recipe),
        rows_sha256=file_sha256(target / ROWS_NAME),
        rows=sum(counts.by_session.values()),
        rows_by_session=counts.by_session,
        labelled=counts.labelled,
        events=counts.events,
        settlements=counts.settlements,
        markets=tuple(opened.markets[ticker] for ticker in counts.tickers),
    )
    _write_whole(target / MANIFEST_NAME, encode_json(manifest))
    shutil.rmtree(parts)
    return manifest


def _without_decisions(tapes: Tapes) -> str | None:
    return next((key for key, (_, entry) in tapes.sessions.items() if not entry.counts.decided), None)


def _finished(target: Path, recipe: Recipe) -> Manifest | None:
    """Return the manifest if the folder holds this very dataset, whole; None if it holds none."""
    if not (target / MANIFEST_NAME).exists():
        return None
    manifest = read_manifest(target)
    if differing := differences(manifest.recipe, recipe):
        raise DatasetError(
            f"{target} holds another dataset: {', '.join(differing)} differ; name another folder or remove it"
        )
    check_rows(target, manifest)
    # An end between the manifest and their removal leaves them.
    shutil.rmtree(target / PARTS_NAME, ignore_errors=True)
    return manifest


def _begin(target: Path, recipe: Recipe) -> Path:
    """Return the folder of the parts, made for this recipe or left by an interrupted build of it."""
    parts = target / PARTS_NAME
    path = parts / RECIPE_NAME
    if path.exists():
        if differing := differences(read_recipe(path), recipe):
            raise DatasetError(
                f"{parts} is of an unfinished build of another dataset: {', '.join(differing)} differ;"
                " name another folder or remove it"
            )
        return parts
    parts.mkdir(parents=True, exist_ok=True)
    _write_whole(path, encode_json(recipe))
    return parts


def _sample_sessions(
    tapes: Tapes, folder: Path, recipe: Recipe, schema: FeatureSchema, progress: Progress | None
) -> list[Part]:
    """Take the rows of all sessions that are not done; return the parts in the order of the sessions."""
    total = sum(_size(entry) for _, entry in tapes.sessions.values())
    done: Ns = 0
    parts = []
    for key, (tape, entry) in tapes.sessions.items():
        part = Part(key, folder)
        if not part.is_done:
            markets = {market.ticker: market for market in tape.manifest.markets}
            sampler = Sampler(recipe.sampling, schema, entry.settings)
            happenings = events_of(entry, markets, tape.records(entry))
            write_rows(part, sampler.rows(happenings), schema, recipe.required)
            name_part(part, sampler.mids, sampler.last_at)
        parts.append(part)
        done += _size(entry)
        if progress is not None:
            progress(key, done, total)
    return parts


def _size(entry: TapeSession) -> int:
    return sum(
        getattr(entry.counts, kind)
        for kind in ("snapshots", "deltas", "trades", "tickers", "spots", "told", "decided")
    )


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)
