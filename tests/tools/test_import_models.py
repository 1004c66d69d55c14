"""Versions of a model in ONNX files become one family, or one line says why not."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from import_models import main

from edgert.artifacts import load_family
from edgert.backends import open_backend
from edgert.build.compile import build_family
from edgert.cli.main import main as edgert
from edgert.pool import Pool
from edgert.preprocess import Preprocessor
from tests.centre_family import make_centre_family
from tests.tiny_family import LABELS, tiny_model

SMALL = {"scale": 1.0, "mean": [100, 110, 120], "std": [50, 60, 70], "color_order": "bgr"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A wide model, a narrow one with preprocessing of its own, and one of other classes."""
    folder = tmp_path_factory.mktemp("models")
    onnx.save(tiny_model(1, channels=4, names=("image", "scores")), folder / "small.onnx")
    onnx.save(tiny_model(2, channels=16, size=(24, 32)), folder / "large.onnx")
    onnx.save(tiny_model(3, classes=5), folder / "five.onnx")
    (folder / "labels.txt").write_text("\n".join(LABELS))
    (folder / "own.yaml").write_text(yaml.safe_dump({"s": SMALL}))
    return folder


def words(
    place: Path, output: Path, *more: str, models=("s=small.onnx", "large.onnx")
) -> list[str]:
    files = [
        f"{name}={place / file}" if name else str(place / file)
        for name, _, file in (text.rpartition("=") for text in models)
    ]
    return [*files, "-o", str(output), "--task", "segmentation", *more]


@pytest.fixture(scope="module")
def imported(place: Path, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("imported") / "fam"
    labels, own = str(place / "labels.txt"), str(place / "own.yaml")
    assert main(words(place, output, "--labels", labels, "--preprocessing", own)) == 0
    return output


def test_the_dearest_is_the_base_and_each_has_its_input(imported: Path):
    family = load_family(imported).family
    assert [c.name for c in family.configurations] == ["large", "s"]
    assert [c.model for c in family.configurations] == ["", "s"]
    assert family.labels == LABELS
    [small] = family.models
    assert small.input.color_order == "bgr"
    assert small.input.mean == (100, 110, 120)
    assert family.input.mean == (0.485, 0.456, 0.406)
    assert "| s | `small.onnx` | 24 x 32 |" in (imported / "README.md").read_text()


def test_engines_answer_as_the_files_do_on_a_picture(place: Path, imported: Path):
    build_family(load_family(imported), open_backend("onnxruntime", threads=1), device="here")
    family = load_family(imported).family
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    ours, theirs = family.input, family.models[0].input
    for name, file, spec, other in (
        ("large", "large.onnx", ours, theirs),
        ("s", "small.onnx", theirs, ours),
    ):
        session = onnxruntime.InferenceSession(place / file)
        [expected] = session.run(None, {spec.name: Preprocessor(spec)(picture)})
        with Pool.open(imported / "built" / "here") as pool:
            pool.activate(name)
            got = pool.run(Preprocessor(family.input)(picture))
        assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
        foreign = {spec.name: Preprocessor(other)(picture)}
        [wrong] = session.run(None, foreign)
        assert np.abs(wrong - expected).max() > 1e-2 * np.abs(expected).max()


def test_they_are_profiled_side_by_side(imported: Path, tmp_path: Path, capsys):
    given = [str(imported), "--build", "--rounds", "2", "-o", str(tmp_path / "profile.json")]
    assert edgert(["profile", *given]) == 0
    rows = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line}
    assert {"large", "s"} <= rows


def test_classifiers_are_cut_to_the_centre_where_that_is_said(tmp_path: Path, capsys):
    place = make_centre_family(tmp_path / "centre")
    for words, crop, told in (
        ((), msgspec.UNSET, "picture, stretched to its size; the others"),
        (("--crop", "0.875"), 0.875, "picture, the centre, 0.875 of the shorter side"),
    ):
        output = tmp_path / f"out{len(words)}"
        files = [f"{name}={place / 'base.onnx'}" for name in ("one", "two")]
        assert main([*files, "-o", str(output), "--task", "classification", *words]) == 0
        family = load_family(output).family
        assert [family.input.crop, family.models[0].input.crop] == [crop] * 2
        assert told in (output / "README.md").read_text()


def test_a_cut_that_is_no_share_is_wrong_usage(place, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words(place, tmp_path / "fam", "--crop", "1.2"))
    assert caught.value.code == 2
    assert "expected a ratio from 0.1 to 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("models", "more", "said"),
    [
        (("small.onnx",), ("--crop", "0.875"), "none for segmentation, whose labels cover"),
        (("small.onnx", "five.onnx"), (), "classes"),
        (("a=small.onnx", "a=large.onnx"), (), "a name twice"),
        (("small.onnx",), ("--task", "classification"), "one output of 2 axes"),
        (("none.onnx",), (), "none.onnx"),
        (("base=small.onnx", "large.onnx"), (), "base"),
        (("small.onnx", "large.onnx"), ("--preprocessing", "own.yaml"), "'s'"),
        (("small.onnx", "large.onnx"), ("--labels", "own.yaml"), "3 labels"),
    ],
)
def test_what_is_no_family_is_one_line_and_leaves_nothing(
    place, tmp_path, capsys, models, more, said
):
    more = [str(place / word) if word.endswith((".yaml", ".txt")) else word for word in more]
    assert main(words(place, tmp_path / "fam", *more, models=models)) in (1, 2)
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "fam").exists()


def test_a_typo_in_preprocessing_is_named(place, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("s: {meen: [1, 2, 3]}")
    assert main(words(place, tmp_path / "fam", "--preprocessing", str(tmp_path / "own.yaml"))) == 2
    assert "meen" in capsys.readouterr().err


def test_a_folder_that_is_there_stays(place, imported, capsys):
    before = (imported / "family.yaml").read_bytes()
    assert main(words(place, imported)) == 2
    assert "a folder that is not there yet" in capsys.readouterr().err
    assert (imported / "family.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["../small", "a b", "klein-ä"])
def test_a_name_that_no_model_can_have_is_told_and_nothing_is_written(
    place, tmp_path, capsys, name
):
    before = sorted(path.name for path in (*place.iterdir(), *tmp_path.iterdir()))
    models = (f"{name}=small.onnx", "large.onnx")
    assert main(words(place, tmp_path / "fam", models=models)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"got {name!r}. Write NAME=FILE.onnx" in line
    assert sorted(path.name for path in (*place.iterdir(), *tmp_path.iterdir())) == before


def test_a_folder_whose_name_no_family_can_have_takes_one(place, tmp_path, capsys):
    assert main(words(place, tmp_path / "my family")) == 2
    assert "got 'my family'. Give it another with --name" in capsys.readouterr().err
    assert main(words(place, tmp_path / "my family", "--name", "mine")) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"Build it: edgert build '{tmp_path / 'my family'}'\n")
    assert load_family(tmp_path / "my family").family.name == "mine"
