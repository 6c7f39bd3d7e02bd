"""The bones of a page: a shell without anything from elsewhere, and tables; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def document(title: str, body: str, *, has_script: bool = False) -> str:
    """Return a whole page. `body` is HTML, the title is text."""
    script = '<script src="/page.js" defer></script>' if has_script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # Without an icon of its own a browser asks for one that is not there.
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css">'
        f"<title>{escape(title)}</title>"
        f'{script}</head><body><a class="skip" href="#main">Skip to the content</a>'
        '<header><h1>kalshid: predictions</h1><nav aria-label="Pages"><a href="/">Ask</a>'
        '<a href="/docs">API</a><a href="/models">Models</a><a href="/openapi.json">OpenAPI</a>'
        "</nav></header>"
        f'<main id="main">{body}</main></body></html>\n'
    )


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    words: Sequence[int] = (0,),
    sentences: Sequence[int] = (),
) -> str:
    """Return a table that scrolls by itself where it is too wide.

    `words` are the columns of text, all others are of numbers; `sentences` those that may break.
    """
    kinds = [
        'class="word long"' if number in sentences else 'class="word"' if number in words else ""
        for number in range(len(heads))
    ]
    head = "".join(
        f'<th scope="col" {kind}>{escape(name)}</th>' for kind, name in zip(kinds, heads, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td {kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">'
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def section(title: str, content: str) -> str:
    """Return a part of a page under its heading."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"
