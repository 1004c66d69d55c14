import re
from pathlib import Path

import pytest
import yaml

from edgert.artifacts import load_family, save_family
from edgert.errors import ArtifactError


def edit_yaml(folder: Path, change) -> Path:
    file = folder / "family.yaml"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))
    return file


def test_family_written_and_read_is_the_same(tiny_family: Path, tmp_path: Path):
    family = load_family(tiny_family).family
    save_family(tmp_path / "again.yaml", family)
    assert load_family(tmp_path / "again.yaml", verify=False).family == family


def test_saved_family_leaves_defaults_out(tiny_family: Path):
    text = (tiny_family / "family.yaml").read_text()
    assert "license" not in text  # the default
    assert "ignore_label" in text
    assert "color_order" in text  # preprocessing is spelt out whole


@pytest.mark.parametrize(
    ("change", "place", "expected", "got"),
    [
        (lambda c: c.update(labls=["x"]), "family.yaml", "labels", "unknown field 'labls'"),
        (lambda c: c["input"].update(shapes=1), "at input", "color_order", "'shapes'"),
        (
            lambda c: c["configurations"][1].update(edit=[]),
            "configurations[1]",
            "fields among name, edits, accuracy",
            "unknown field 'edit'",
        ),
        (lambda c: c.pop("labels"), "family.yaml", "the field 'labels'", "none"),
        (lambda c: c["input"].update(mean="grey"), "input.mean", "array", "'grey'"),
        (lambda c: c["configurations"][0].update(name="../up"), "name", "regex", "'../up'"),
        (
            lambda c: c["base"].update(graph="../base.onnx"),
            "base.graph",
            "regex",
            "'../base.onnx'",
        ),
        (lambda c: c.update(format=2), "at format", "1", "2"),
        (
            lambda c: c["configurations"][2].update(name="full"),
            "configurations[2].name",
            "a name of its own",
            "'full' a second time",
        ),
        (
            lambda c: c["configurations"][1]["edits"][1].update(merge_linear={}),
            "configurations[1].edits[1]",
            "one edit",
            "2 names",
        ),
        (lambda c: c["configurations"].clear(), "configurations", "length", "[]"),
    ],
)
def test_bad_family_gets_one_line_with_file_place_and_value(
    tiny_family: Path, change, place: str, expected: str, got: str
):
    file = edit_yaml(tiny_family, change)
    with pytest.raises(ArtifactError) as caught:
        load_family(tiny_family)
    line = str(caught.value)
    assert "\n" not in line
    assert str(file) in line
    assert place in caught.value.subject
    assert expected in caught.value.expected
    assert got in caught.value.got


def test_broken_yaml_names_the_line(tiny_family: Path):
    (tiny_family / "family.yaml").write_text("name: [1,\nformat: }")
    with pytest.raises(ArtifactError, match=r"family\.yaml line 2: expected YAML"):
        load_family(tiny_family)


def test_missing_family_says_so(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file"):
        load_family(tmp_path / "nothing")


def test_changed_model_is_refused_by_its_hash(tiny_family: Path):
    graph = tiny_family / "base.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match=re.escape("base.sha256")):
        load_family(tiny_family)
    assert load_family(tiny_family, verify=False).family.name == "tiny"


def test_missing_model_is_named(tiny_family: Path):
    (tiny_family / "base.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"base\.onnx: expected the file that .*family\.yaml"):
        load_family(tiny_family)
