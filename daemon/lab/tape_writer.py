"""Writing a tape folder: sessions side by side, in batches, and the manifest last.

Memory is bounded by one batch per open session. A folder without `manifest.json` is no tape, so an
import that dies half-way leaves nothing that could be replayed by mistake.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from daemon.core.units import Ns
from daemon.exchange.tape import (
    BATCH_RECORDS_MAX,
    FORMAT,
    MANIFEST_NAME,
    VERSION,
    TapeManifest,
    TapeMarket,
    TapeRecord,
    TapeSession,
    TapeSessionEnded,
    TapeSessionStarted,
    TapeSettings,
    encode_batch,
    encode_header,
    encode_manifest,
)
from daemon.exchange.tape_counter import TapeCounter


class SessionWriter:
    """One session's file while it grows. Records are written in the order in which they are added."""

    def __init__(
        self,
        folder: Path,
        session: str,
        conns: tuple[str, ...],
        started_at: Ns,
        settings: TapeSettings | None,
    ) -> None:
        self.session = session
        self.conns = conns
        self._settings = settings
        self._path = folder / f"{session}.tape"
        self._started_at = started_at
        self._last_at = started_at
        self._digest = hashlib.sha256()
        self._counter = TapeCounter()
        self._batch: list[TapeRecord] = [TapeSessionStarted(session, started_at)]
        self._file: BinaryIO = self._path.open("wb")
        self._write(encode_header(session, conns))

    def add(self, record: TapeRecord) -> None:
        """Append one record."""
        self._counter.add(record)
        self._batch.append(record)
        if record.received_at > self._last_at:
            self._last_at = record.received_at
        if len(self._batch) >= BATCH_RECORDS_MAX:
            self._flush()

    def end(self) -> TapeSession:
        """Write the mark of the end, close the file, and return the session's entry of the manifest."""
        self._batch.append(TapeSessionEnded(self.session, self._last_at))
        self._flush()
        self._file.close()
        return TapeSession(
            session=self.session,
            file=self._path.name,
            sha256=self._digest.hexdigest(),
            conns=self.conns,
            started_at=self._started_at,
            ended_at=self._last_at,
            counts=self._counter.counts(),
            settings=self._settings,
        )

    def abandon(self) -> None:
        """Close the file as it is: without its end mark no reader takes it."""
        self._file.close()

    def _flush(self) -> None:
        self._write(encode_batch(self._batch))
        self._batch = []

    def _write(self, block: bytes) -> None:
        self._file.write(block)
        self._digest.update(block)


class TapeWriter:
    """A tape folder while it grows; a context manager that closes the files whatever happens.

    Raises:
        FileExistsError: the folder already holds a tape: an old one is never mixed with a new one.
    """

    def __init__(self, folder: Path, origin: str) -> None:
        if (folder / MANIFEST_NAME).exists():
            raise FileExistsError(f"{folder} already holds a tape; remove it or name another folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._origin = origin
        self._open: dict[str, SessionWriter] = {}

    def session(
        self, session: str, conns: tuple[str, ...], started_at: Ns, settings: TapeSettings | None = None
    ) -> SessionWriter:
        """Return the writer of a new session; its name must be fit for a file's.

        `settings` are those of the daemon whose journal it is, None for a recorder's session.
        """
        if not session or "/" in session or session.startswith("."):
            raise ValueError(f"not a session name: {session!r}")
        assert session not in self._open, f"session {session} opened twice"
        writer = SessionWriter(self._folder, session, conns, started_at, settings)
        self._open[session] = writer
        return writer

    def finish(self, markets: tuple[TapeMarket, ...]) -> TapeManifest:
        """End all sessions and write the manifest, whole or not at all."""
        sessions = [writer.end() for writer in self._open.values()]
        manifest = TapeManifest(
            format=FORMAT,
            version=VERSION,
            origin=self._origin,
            sessions=tuple(sorted(sessions, key=lambda entry: (entry.started_at, entry.session))),
            markets=tuple(sorted(markets, key=lambda market: (market.close_at, market.ticker))),
        )
        draft = self._folder / f"{MANIFEST_NAME}.part"
        draft.write_bytes(encode_manifest(manifest))
        draft.replace(self._folder / MANIFEST_NAME)
        self._open = {}
        return manifest

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open.values():
            writer.abandon()
