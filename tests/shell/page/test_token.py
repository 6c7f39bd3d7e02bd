"""The page's token: made once, for its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.shell.page.token import TOKEN_FILE, page_token
from daemon.shell.web import WebFailed


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """And again where others could have read it, or where it is no token."""
    folder = tmp_path / "var"
    token = page_token(folder)
    path = folder / TOKEN_FILE
    assert 0o600 == path.stat().st_mode & 0o777
    assert token == page_token(folder)
    path.chmod(0o640)
    again = page_token(folder)
    assert token != again
    assert 0o600 == path.stat().st_mode & 0o777
    path.write_text("\n")
    assert again != page_token(folder)
    assert len(page_token(folder)) >= 40


def test_a_token_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    """Its folder is a file."""
    (tmp_path / "var").touch()
    with pytest.raises(WebFailed, match=TOKEN_FILE):
        page_token(tmp_path / "var")
