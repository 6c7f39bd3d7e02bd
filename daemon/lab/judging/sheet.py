"""The paper that reports are drawn on: one HTML file, no script, nothing loaded, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root{color-scheme:light dark;
--paper:#fff;--ink:#1a1d21;--soft:#5b6470;--rule:#d9dee4;--a:#1f5fbf;--b:#b4570b}
@media(prefers-color-scheme:dark){:root{
--paper:#14171a;--ink:#e6e9ed;--soft:#9aa5b1;--rule:#343b43;--a:#7fb0ff;--b:#f0a35e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:56rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
.verdict{font-size:1.15rem;font-weight:600;border-left:4px solid var(--a);padding-left:.75rem;margin:0 0 1rem}
h1{font-size:1.3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}p,li{color:var(--ink)}.soft{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:.25rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child,.words th,.words td{text-align:left}
.words td:last-child{white-space:normal;min-width:14rem}
svg{display:block;width:100%;max-width:30rem;height:auto}
text{fill:var(--soft);font:11px system-ui,sans-serif}.grid{stroke:var(--rule)}
.ideal{stroke:var(--soft);stroke-dasharray:4 3}.band{stroke-width:2;opacity:.55}
.curve{fill:none;stroke-width:2}.bar{fill:var(--a)}.bar.under{fill:var(--b)}
.s0{stroke:var(--a)}.s1{stroke:var(--b)}.dot.s0{fill:var(--a)}.dot.s1{fill:var(--paper)}
.key0{color:var(--a)}.key1{color:var(--b)}
""".strip()


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, is_words: bool = False
) -> str:
    """Return a table in a frame that scrolls by itself, so that the page never does; cells are escaped.

    One of words stands to the left, and the text of its last column is wrapped.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    kind = ' class="words"' if is_words else ""
    return (
        f'<div class="wide" tabindex="0"><table{kind}><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def document(title: str, body: str) -> str:
    """Return the whole page around its body, well-formed as XML too."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
