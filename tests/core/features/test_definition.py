"""The catalogue says of each feature what a model's metadata must repeat."""

from __future__ import annotations

import re
import typing

import pytest

from daemon.core.features import CATALOGUE, definition_of, is_exact
from daemon.core.features.definition import FeatureSource
from daemon.core.units import DAY, SECOND


def test_names_are_snake_and_name_their_window() -> None:
    """A feature with a window in seconds says so in its name, unless the name is of an instant."""
    for name, definition in CATALOGUE.items():
        assert name == definition.name
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*|[A-Z]+(_[A-Z0-9]+)*", name)
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


def test_any_number_within_the_bounds_is_a_feature() -> None:
    """The catalogue lists some; others mean the same over another window."""
    assert definition_of("ofi_7s").window == 7 * SECOND
    assert definition_of("momentum_ratio_5s_90s").numbers == (5, 90)
    assert definition_of("momentum_ratio_5s_90s").window == 90 * SECOND
    assert definition_of("mean_deviation_7d").window == 7 * DAY
    assert not is_exact("parkinson_vol_7m")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ofi_0s", "no such feature: ofi_0s: ofi_#s takes seconds from 1 to 3600, not 0"),
        ("ofi_3601s", "seconds from 1 to 3600, not 3601"),
        ("realised_vol_90s", "realised_vol_#s takes seconds from 60 to 3600 in steps of 60, not 90"),
        ("ofi_05s", "no such features: ofi_05s; there are: spread, mid,"),
        ("ofi", "no such features: ofi; there are: spread, mid,"),
    ],
)
def test_a_name_that_is_no_feature_is_an_error_that_says_what_is_allowed(name: str, said: str) -> None:
    """One way to write each feature, and bounds that keep a market small."""
    with pytest.raises(ValueError, match=re.escape(said)):
        definition_of(name)
