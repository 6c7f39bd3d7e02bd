"""The page's token: what whoever halts or resumes over the page has to bring, in a file of its owner's."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from daemon.shell.web import WebFailed

TOKEN_FILE = "page.token"  # noqa: S105 - a file's name
_TOKEN_CHARS_MIN = 20


def page_token(folder: Path) -> str:
    """Return the page's token, made where there is none; one that others can read is replaced.

    Raises:
        WebFailed: it can't be read or written.
    """
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not path.stat().st_mode & 0o077:
            token = path.read_text(encoding="ascii").strip()
            if len(token) >= _TOKEN_CHARS_MIN:
                return token
        path.unlink(missing_ok=True)
        token = secrets.token_urlsafe(32)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WebFailed(f"the page's token {path}: {error}") from error
    return token
