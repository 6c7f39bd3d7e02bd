"""The page of the features, `daemon/FEATURES.md`: drawn from the definitions, so that it can't lie."""

from __future__ import annotations

from daemon.core.features.catalogue import GROUPS, statistics_of
from daemon.core.features.definition import Family

_HEAD = """\
# Features

Drawn from the definitions in `daemon/core/features`; a test rewrites it: `UPDATE_DOCS=1`.

A `#` in a name is a whole number: `ofi_#s` is a family, `ofi_5s` one of its features. Numbers that are
listed below are the catalogue's; any other within the bounds may be named too, by a model or a strategy.

- Time is our clock's, and told: a window empties although no event came. A window over five minutes begins
  at a whole multiple of its sixtieth (in whole seconds), so that an idle market stays small.
- Unknown stays missing, never zero: no value until the warm-up is over, and none after a gap until the window
  is whole again, refilled or backfilled.
- *Exact* features are sums of integers with one conversion at the end: they equal an independently written
  batch twin bit for bit, the others to 1e-9 relative. All of them equal themselves bit for bit in a replay.
"""


def _line(title: str, text: str | None) -> list[str]:
    return [] if text is None else [f"- {title}: {text}"]


def _bounds(family: Family) -> str | None:
    words = [
        f"{one.counts} {one.least} to {one.most}" + (f" in steps of {one.step}" if one.step > 1 else "")
        for one in family.numbers
    ]
    return ", ".join(words) or None


def _family(family: Family, meaning: str) -> list[str]:
    names = [family.define(*numbers).name for numbers in family.documented]
    return [
        f"### `{family.name}`",
        "",
        "\n".join(line.strip() for line in meaning.strip().splitlines()),
        "",
        *_line("unit", family.unit),
        *_line("numbers", _bounds(family)),
        *_line("in the catalogue", ", ".join(f"`{name}`" for name in names) if family.numbers else None),
        *_line("source", family.source),
        *_line("warm-up", family.warm_up),
        *_line("exact", "yes" if family.is_exact else "to 1e-9"),
        *_line("citation", family.citation),
        "",
    ]


def page() -> str:
    """Return the page as Markdown."""
    lines = [_HEAD]
    for title, module in GROUPS:
        lines += [f"## {title}", ""]
        for statistic in statistics_of(module):
            for family in statistic.families:
                lines += _family(family, statistic.__doc__ or "")
    return "\n".join(lines).rstrip() + "\n"
