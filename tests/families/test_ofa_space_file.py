"""space.json: there and back, and what is none."""

import json

import pytest

from edgert.errors import ArtifactError
from edgert.families.ofa_space import Space
from edgert.families.ofa_space_file import SPACE_FILE, read_space, save_space
from tests.families.ofa_networks import SMALL


@pytest.mark.parametrize("space", [SMALL, Space()])
def test_there_and_back(tmp_path, space):
    save_space(tmp_path / SPACE_FILE, space)
    assert read_space(tmp_path / SPACE_FILE) == space


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("{", "expected JSON"),
        ("[1]", "expected"),
        (json.dumps({"depths": [2, 1, 0]}), "rising order"),
        (json.dumps({"strides": [1, 2]}), "as many stages"),
        (json.dumps({"depth": [0]}), "unknown 'depth'"),
        (json.dumps({"classes": "ten"}), "classes"),
    ],
)
def test_what_is_no_space_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / SPACE_FILE
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArtifactError, match=said) as error:
        read_space(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
