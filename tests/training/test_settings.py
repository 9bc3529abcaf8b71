"""What a configuration file may say, and what is refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.errors import SettingsError
from training.models import TINY
from training.settings import read_config, with_flags


def test_a_file_sets_what_it_names_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'length = 256\nlearning_rate = 1e-3\nheld_out = 0.050\ntemplate = "gemma-think/1"\nalpha = 8\n'
    )
    expected = replace(TINY.defaults, length=256, learning_rate=1e-3, held_out="0.05", alpha=8.0)
    assert read_config(path, TINY.defaults) == expected


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("length = 256\n")
    assert with_flags(read_config(path, TINY.defaults), 128, 7) == replace(TINY.defaults, length=128, steps=7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lenght = 256", "unknown key 'lenght'; known: length, batch"),
        ("steps = 5", "unknown key 'steps'"),
        ('length = "256"', "length = '256': expected an integer from 1"),
        ("length = true", "length = True: expected an integer from 1"),
        ("length = 2.5", "length = 2.5: expected an integer from 1"),
        ("batch = 0", "batch = 0: expected an integer from 1"),
        ("seed = -1", "seed = -1: expected an integer from 0"),
        ("learning_rate = 0", "learning_rate = 0: expected a number above 0"),
        ("learning_rate = nan", "learning_rate = NaN: expected a number above 0"),
        ("held_out = 1.0", "held_out = 1.0: expected a decimal from 0 to below 1"),
        ('held_out = "0.1"', "held_out = '0.1': expected a decimal"),
        ("template = 1", "template = 1: expected a string"),
        ('precision = "float16"', "precision = 'float16': expected float32 or bfloat16"),
        ('quantize = "int8"', "quantize = 'int8': expected none or nf4"),
        ("precision = true", "precision = True: expected float32 or bfloat16"),
        ("final_rate = 1.5", "final_rate = 1.5: expected a number from 0 to 1"),
        ("first_moment = 1.0", "first_moment = 1.0: expected a decimal from 0 to below 1"),
        ("clip_norm = 0", "clip_norm = 0: expected a number above 0"),
        ("rows_per_device = 0", "rows_per_device = 0: expected an integer from 1"),
        ("length = ", "not TOML"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(line)
    with pytest.raises(SettingsError) as caught:
        read_config(path, TINY.defaults)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_config(tmp_path / "missing.toml", TINY.defaults)


def test_a_flag_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="--steps = 0: expected an integer from 1"):
        with_flags(TINY.defaults, None, 0)
