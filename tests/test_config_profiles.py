"""Files to begin with: each is what its mode needs, once a person has written what is his."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from daemon.config import ConfigError, parse_config
from daemon.config_profiles import PROFILES, Profile
from daemon.live_guard import money_limits
from daemon.model_slots import start_models


@pytest.mark.parametrize("profile", get_args(Profile))
def test_with_a_key_it_is_usable(profile: Profile) -> None:
    """All else has its default; the mode is the one that it is named for."""
    text = PROFILES[profile].replace('key_id = ""', 'key_id = "k"').replace('_file = ""', '_file = "key.pem"')
    assert profile == parse_config("config.toml", text, Path("/nowhere")).mode


@pytest.mark.parametrize("profile", ["demo", "shadow", "live"])
def test_without_a_key_it_says_so(profile: Profile) -> None:
    """What a person has to write is asked for, and nothing else."""
    with pytest.raises(ConfigError) as refused:
        parse_config("config.toml", PROFILES[profile], Path("/nowhere"))
    assert ["venue.key_id", "venue.private_key_file"] == [
        one.split(": ")[1] for one in refused.value.problems
    ]


@pytest.mark.parametrize("profile", get_args(Profile))
def test_its_model_is_found_from_any_folder(profile: Profile, tmp_path: Path) -> None:
    """The file is written where the person likes, and runs there."""
    text = PROFILES[profile].replace('key_id = ""', 'key_id = "k"').replace('_file = ""', '_file = "key.pem"')
    started = start_models(parse_config("config.toml", text, tmp_path))
    assert "btc15m-demo" == started.default.name


def test_live_writes_down_all_limits_on_money() -> None:
    """Real money is refused on limits that nobody wrote."""
    assert [] == [key for key in money_limits() if f"\n{key} = " not in PROFILES["live"]]
