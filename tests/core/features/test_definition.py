"""The catalogue says of each feature what a model's metadata must repeat."""

from __future__ import annotations

import re
import typing

from daemon.core.features import CATALOGUE
from daemon.core.features.definition import FeatureSource
from daemon.core.units import SECOND


def test_names_are_lower_snake_and_name_their_window() -> None:
    """A feature with a window in seconds says so in its name, unless the name is of an instant."""
    for name, definition in CATALOGUE.items():
        assert name == definition.name
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", name)
        suffix = re.search(r"_(\d+)s$", name)
        if suffix is not None and not name.startswith("volume_z"):  # which has twenty of them
            assert int(suffix.group(1)) * SECOND == definition.window


def test_every_definition_is_whole() -> None:
    """Unit, source, warm-up and fill rule are stated for each feature."""
    for definition in CATALOGUE.values():
        assert definition.unit
        assert definition.warm_up
        assert definition.fill == "missing"
        assert definition.source in typing.get_args(FeatureSource)
