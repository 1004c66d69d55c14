from pathlib import Path

import pytest

from edgert.artifacts import load_state, save_state
from edgert.errors import ArtifactError
from edgert.records import ControllerState

STATE = ControllerState(
    family="tiny", device="cpu", board="b", profile="0123", slowdown=1.25, power_bias=0.9,
    own_power_biases={"full": 1.1}, thermal_corrections=(1.0, 0.9, 1.1), spent_j=12.5,
)  # fmt: skip


def test_a_state_reads_back_to_the_last_digit(tmp_path: Path):
    path = tmp_path / "new folder" / "state.json"
    save_state(path, STATE)
    assert load_state(path) == STATE
    save_state(path, STATE)
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "expected JSON"),
        ('{"family": "tiny", "dev', "expected JSON"),
        ("[]", "expected object"),
        ('{"family": "tiny", "device": "cpu"}', "the field 'profile'"),
        ('{"family": "t", "device": "c", "profile": "p", "more": 1}', "unknown field 'more'"),
        ('{"family": "t", "device": "c", "profile": "p", "slowdown": -1}', "slowdown: expected"),
        ('{"family": "t", "device": "c", "profile": "p", "format": 2}', "format"),
    ],
)
def test_a_damaged_state_is_one_line(tmp_path: Path, content: str, words: str):
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        load_state(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_that_is_not_there_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file"):
        load_state(tmp_path / "state.json")


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="a folder that can be written to"):
        save_state(tmp_path / "file" / "state.json", STATE)
