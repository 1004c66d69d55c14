from pathlib import Path

import pytest

from edgert.errors import SettingsError
from edgert.settings import Settings, load_settings


def test_defaults_need_nothing():
    assert load_settings(environment={}) == Settings()


def test_file_then_environment_then_flags(tmp_path: Path):
    file = tmp_path / "edgert.yaml"
    file.write_text("limits: {power_w: 10, temp_c: 70, deadline_s: 0.1}\ncontroller: ladder\n")
    settings = load_settings(
        file,
        environment={"EDGERT_LIMITS_TEMP_C": "65", "EDGERT_LIMITS_DEADLINE_S": "0.2"},
        flags={"limits.deadline_s": 0.3, "limits.period_s": None},
    )
    assert settings.limits.power_w == 10
    assert settings.limits.temp_c == 65
    assert settings.limits.deadline_s == 0.3
    assert settings.limits.period_s is None


def test_an_empty_file_sets_nothing(tmp_path: Path):
    (tmp_path / "e.yaml").write_text("{}\n")
    assert load_settings(tmp_path / "e.yaml", environment={}) == Settings()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("limits: {power: 10}", r"e\.yaml at limits: expected fields among deadline_s.*'power'"),
        ("limits: {power_w: fifteen}", r"limits\.power_w: expected float \| null, got 'fifteen'"),
        ("limits: {power_w: -1}", r"limits\.power_w: expected float > 0"),
        ("contrller: x", "unknown field 'contrller'"),
    ],
)
def test_a_wrong_setting_names_file_place_and_value(tmp_path: Path, text: str, line: str):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(SettingsError, match=line):
        load_settings(tmp_path / "e.yaml", environment={})


def test_a_wrong_variable_is_named():
    with pytest.raises(SettingsError, match=r"settings EDGERT_LIMITS_POWER_W at limits\.power_w"):
        load_settings(environment={"EDGERT_LIMITS_POWER_W": "lots"})


def test_other_variables_are_left_alone():
    assert load_settings(environment={"EDGERT_UNRELATED": "1", "POWER_W": "2"}) == Settings()
