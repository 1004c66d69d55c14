import re
from pathlib import Path

import msgspec
import pytest
import yaml

from edgert.artifacts import load_family, save_family
from edgert.errors import ArtifactError
from tests.centre_family import make_centre_family
from tests.scaled_family import make_scaled_family


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
    assert "crop" not in text  # but for what nobody asked for


@pytest.mark.parametrize(
    ("change", "place", "expected", "got"),
    [
        (lambda c: c.update(labls=["x"]), "family.yaml", "labels", "unknown field 'labls'"),
        (lambda c: c["input"].update(shapes=1), "at input", "color_order", "'shapes'"),
        (
            lambda c: c["configurations"][1].update(edit=[]),
            "configurations[1]",
            "fields among name, edits, model, note, accuracy",
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


# ---------------------------------------------------------------- several models


@pytest.fixture
def scaled(tmp_path: Path) -> Path:
    return make_scaled_family(tmp_path / "scaled")


def test_each_configuration_has_its_model(scaled: Path):
    folder = load_family(scaled)
    names = [folder.model_of(c).graph for c in folder.family.configurations]
    assert names == ["wide.onnx"] * 2 + ["base.onnx"] * 3 + ["small.onnx"] * 2
    assert [folder.graph_path_of(model).name for model in folder.models] == [
        "base.onnx", "wide.onnx", "small.onnx",
    ]  # fmt: skip
    assert folder.unfilled == []
    assert [folder.weights_path_of(model) for model in folder.models] == [None] * 3


def test_a_family_of_several_models_written_and_read_is_the_same(scaled: Path, tmp_path: Path):
    family = load_family(scaled).family
    save_family(tmp_path / "again.yaml", family)
    assert load_family(tmp_path / "again.yaml", verify=False).family == family
    assert (tmp_path / "again.yaml").read_text().count("color_order") == 3  # spelt out for each


@pytest.mark.parametrize(
    ("change", "place", "expected", "got"),
    [
        (
            lambda c: c["configurations"][0].update(model="huge"),
            "configurations[0].model",
            "a model among wide, small",
            "'huge'",
        ),
        (lambda c: c.pop("models"), "configurations[0].model", "no model but the base", "'wide'"),
        (
            lambda c: c["models"][1].update(name="wide"),
            "models[1].name",
            "a name of its own",
            "'wide', a second time",
        ),
        (
            lambda c: c["models"][0].update(name="base"),
            "models[0].name",
            "a name of its own",
            "'base', the name of the family's own model",
        ),
        (lambda c: c["models"][0].pop("input"), "at models[0]", "the field 'input'", "none"),
        (lambda c: c["models"][0].update(name="../w"), "models[0].name", "regex", "'../w'"),
        (lambda c: c["models"][0].update(labels=[]), "at models[0]", "source", "'labels'"),
    ],
)
def test_bad_models_get_one_line_with_file_place_and_value(
    scaled: Path, change, place: str, expected: str, got: str
):
    file = edit_yaml(scaled, change)
    with pytest.raises(ArtifactError) as caught:
        load_family(scaled)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert place in caught.value.subject
    assert expected in caught.value.expected
    assert got in caught.value.got


def test_every_model_s_files_are_verified(scaled: Path):
    graph = scaled / "small.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match=r"small\.onnx: .* states at models\[1\]\.sha256"):
        load_family(scaled)
    graph.unlink()
    with pytest.raises(ArtifactError, match=r"small\.onnx: expected the file that .*family\.yaml"):
        load_family(scaled)


def test_weights_of_a_model_are_verified_too(scaled: Path):
    (scaled / "wide.weights").write_bytes(b"weights")
    edit_yaml(
        scaled, lambda c: c["models"][0].update(weights="wide.weights", weights_sha256="0" * 64)
    )
    with pytest.raises(ArtifactError, match=r"wide\.weights: .*models\[0\]\.weights_sha256"):
        load_family(scaled)


@pytest.mark.parametrize("crop", [0.875, 1.0, 0.1])
def test_a_cut_is_written_and_read(tmp_path: Path, crop: float):
    folder = make_centre_family(tmp_path / "centre", crop)
    family = load_family(folder).family
    assert family.input.crop == crop
    assert f"crop: {crop}" in (folder / "family.yaml").read_text()


@pytest.mark.parametrize("wrong", [0, 0.0875, 1.01, 256, -0.875, "yes", None, float("nan"), [1]])
def test_a_cut_that_is_no_share_is_one_line(tmp_path: Path, wrong):
    folder = make_centre_family(tmp_path / "centre")
    edit_yaml(folder, lambda c: c["input"].update(crop=wrong))
    with pytest.raises(ArtifactError, match=r"at input\.crop: expected `?float") as caught:
        load_family(folder)
    assert "\n" not in str(caught.value)


def test_a_segmentation_s_frame_is_not_cut(tiny_family: Path):
    file = edit_yaml(tiny_family, lambda c: c["input"].update(crop=0.875))
    with pytest.raises(ArtifactError) as caught:
        load_family(tiny_family, verify=False)
    assert str(caught.value) == (
        f"read {file} at input.crop: expected none for segmentation, whose labels cover the "
        "whole frame, got 0.875. Leave it out: the frame is stretched."
    )


@pytest.mark.parametrize(
    ("own", "model", "said"),
    [
        (0.875, None, "expected 0.875, as the family's own input has it, got none"),
        (None, 0.9, "expected none, as the family's own input has it, got 0.9"),
        (0.875, 0.9, "expected 0.875, as the family's own input has it, got 0.9"),
    ],
)
def test_models_of_a_family_see_the_same_of_a_picture(tmp_path: Path, own, model, said):
    folder = make_centre_family(tmp_path / "centre", msgspec.UNSET)

    def change(content):
        less = {**content["input"], "shape": [1, 3, 8, 8]}
        content["models"] = [{"name": "less", "graph": "less.onnx", "input": less}]
        for spec, crop in ((content["input"], own), (less, model)):
            spec.update({} if crop is None else {"crop": crop})

    edit_yaml(folder, change)
    with pytest.raises(ArtifactError, match=re.escape(said)) as caught:
        load_family(folder, verify=False)
    assert "at models[0].input.crop" in caught.value.subject


def test_models_with_the_family_s_cut_are_taken(tmp_path: Path):
    folder = make_centre_family(tmp_path / "centre", 0.875)

    def change(content):
        less = {**content["input"], "shape": [1, 3, 8, 8]}
        content["models"] = [{"name": "less", "graph": "less.onnx", "input": less}]

    edit_yaml(folder, change)
    assert load_family(folder, verify=False).family.models[0].input.crop == 0.875


def test_a_family_that_is_not_filled_yet_says_how_to_fill_it(scaled: Path):
    def forget(content) -> None:
        for model in (content["base"], content["models"][0]):
            del model["sha256"]
            model["source"] = f"hub/{model['graph']}"

    file = edit_yaml(scaled, forget)
    with pytest.raises(ArtifactError) as caught:
        load_family(scaled)
    assert str(caught.value) == (
        f"read {file}: expected the base graph, base.onnx, with its hash, got a family that is "
        f"not filled yet. Fill it: python tools/export_segformer.py --fill {scaled} "
        "(with hub/base.onnx as base.onnx, hub/wide.onnx as wide.onnx)."
    )
    assert [model.graph for model in load_family(scaled, verify=False).unfilled] == [
        "base.onnx", "wide.onnx",
    ]  # fmt: skip


@pytest.mark.parametrize("forgotten", ["sha256", "weights_sha256"])
def test_a_model_alone_may_be_left_to_fill(scaled: Path, forgotten: str):
    def forget(content) -> None:
        content["models"][1].update(weights="small.weights", weights_sha256="0" * 64)
        del content["models"][1][forgotten]

    edit_yaml(scaled, forget)
    with pytest.raises(ArtifactError, match=r"expected the graph of model small, small\.onnx"):
        load_family(scaled)


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
