"""Families without weights are filled from folders, whole or not at all."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgert.artifacts import load_family, sha256_from_file
from edgert.records import BaseModel

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.export.segformer_checkpoints import (  # noqa: E402
    LABELS,
    small_model,
    torch,
    write_small_checkpoint,
)
from tests.export.unfilled_segformer import (  # noqa: E402
    CARD,
    SIZE_OF,
    TOOL,
    arguments,
    content_of,
    logits_of,
    refusal,
    unfilled_family,
)
from tools.export_segformer import main  # noqa: E402


def test_every_model_is_filled_and_answers_like_its_checkpoint(family, stored, capsys):
    assert main(arguments(family, stored)) == 0
    assert "3 labels, equal to the checkpoints" in capsys.readouterr().out
    filled = load_family(family)  # with every hash compared
    assert filled.unfilled == []
    assert filled.family.labels == LABELS
    assert filled.family.license == "as it was written"
    assert {p.name for p in family.iterdir()} == {
        "README.md", "family.yaml", "base.onnx", "base.weights", "middle.onnx", "middle.weights",
        "small.onnx", "small.weights",
    }  # fmt: skip
    shapes = {"base": (1, 3, 64, 96), "middle": (1, 3, 64, 64), "small": (1, 3, 32, 64)}
    for name, shape in shapes.items():
        tensor = np.random.default_rng(3).standard_normal(shape, np.float32)
        got = logits_of(family / f"{name}.onnx", tensor)
        with torch.no_grad():
            expected = small_model(SIZE_OF[name])(torch.from_numpy(tensor)).logits.numpy()
        assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max(), name
    card = (family / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# The card\n\n## Filled\n")
    for fact in ("`large`", "`middle`", "`small`", "within", "as it was written"):
        assert fact in card


def test_hashes_are_those_of_the_files(family, stored):
    main(arguments(family, stored))
    content = load_family(family).family
    for model in (content.base, *content.models):
        assert model.sha256 == sha256_from_file(family / model.graph)
        assert model.weights_sha256 == sha256_from_file(family / model.weights)
    assert [model.source for model in content.models] == ["owner/middle", "owner/small"]


def test_a_checkpoint_brings_its_own_preprocessing_and_the_family_its_size(tmp_path):
    family = unfilled_family(tmp_path / "one", scaled=False)
    preprocessing = {
        "size": {"height": 512, "width": 512},
        "image_mean": [1, 2, 3],
        "image_std": [4, 5, 6],
    }
    folder = write_small_checkpoint(tmp_path / "large", "large", preprocessing=preprocessing)
    assert main(["--fill", str(family), "--checkpoint", str(folder)]) == 0
    read = load_family(family).family.input
    assert (read.shape, read.mean, read.std) == ((1, 3, 64, 96), (1, 2, 3), (4, 5, 6))


def test_a_pickle_of_tensors_is_as_good(tmp_path):
    one, two = (unfilled_family(tmp_path / n / "family", scaled=False) for n in ("one", "two"))
    for family, pickled in ((one, False), (two, True)):
        folder = write_small_checkpoint(
            tmp_path / f"p{pickled}" / "large", "large", pickled=pickled
        )
        assert main(["--fill", str(family), "--checkpoint", str(folder)]) == 0
    assert content_of(one) == content_of(two)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["code", "list", "garbage", "cut"])
def test_a_pickle_of_something_else_is_refused_and_runs_nothing(tmp_path, kind, capsys):
    family = unfilled_family(tmp_path / "one", scaled=False)
    before = content_of(family)
    folder = write_small_checkpoint(tmp_path / "large", "large", pickled=True)
    file = folder / "pytorch_model.bin"
    if kind == "code":
        torch.save({"x": Evil(tmp_path / "ran")}, file)
    elif kind == "list":
        torch.save([1, 2], file)
    elif kind == "garbage":
        file.write_bytes(b"nothing of the kind")
    else:
        file.write_bytes(file.read_bytes()[:1000])
    line = refusal(capsys, ["--fill", str(family), "--checkpoint", str(folder)])
    assert "pytorch_model.bin: expected weights" in line
    assert not (tmp_path / "ran").exists()
    assert content_of(family) == before


def test_a_card_in_the_folder_says_the_licence(tmp_path):
    family = unfilled_family(tmp_path / "one", scaled=False)
    folder = write_small_checkpoint(tmp_path / "large", "large")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    assert main(["--fill", str(family), "--checkpoint", str(folder)]) == 0
    terms = load_family(family).family.license
    assert terms == "as it was written; large: other (https://example.org/L)"


def test_terms_that_are_given_go_before(tmp_path):
    family = unfilled_family(tmp_path / "one", scaled=False)
    folder = write_small_checkpoint(tmp_path / "large", "large")
    words = ["--fill", str(family), "--checkpoint", str(folder), "--license", "mine"]
    assert main(words) == 0
    assert load_family(family).family.license == "mine"


def test_the_first_label_that_differs_is_named(family, stored, tmp_path, capsys):
    before = content_of(family)
    other = write_small_checkpoint(tmp_path / "other", "small", labels=["road", "tree", "bus"])
    line = refusal(capsys, arguments(family, {**stored, "small": other}))
    assert "fill small: expected label 1 to be 'sky' as in base, got 'tree'" in line
    more = write_small_checkpoint(tmp_path / "more", "middle", labels=["road", "sky"])
    line = refusal(capsys, arguments(family, {**stored, "middle": more}))
    assert "fill middle: expected 3 labels as base has, got 2" in line
    assert content_of(family) == before


def test_labels_that_family_yaml_states_are_held_to(tmp_path, stored, capsys):
    family = unfilled_family(tmp_path / "one", scaled=False, labels=["road", "sky", "bus"])
    line = refusal(capsys, ["--fill", str(family), "--checkpoint", str(stored["base"])])
    assert "expected label 2 to be 'bus' as in family.yaml, got 'car'" in line


def test_another_size_than_the_source_names_is_refused(tmp_path, stored, capsys):
    base = BaseModel(graph="base.onnx", source="owner/segformer-b2-x")
    family = unfilled_family(tmp_path / "one", scaled=False, base=base)
    line = refusal(capsys, ["--fill", str(family), "--checkpoint", str(stored["base"])])
    assert "expected a SegFormer-B2" in line
    assert "another size with depths [1, 2, 2, 1]" in line


def test_edits_that_the_checkpoint_does_not_have_are_refused(tmp_path, stored, capsys):
    family = unfilled_family(tmp_path / "one", scaled=False)
    before = content_of(family)
    line = refusal(capsys, ["--fill", str(family), "--checkpoint", str(stored["small"])])
    assert "derive d1111 at edits[1]: skip_residuals stage2.block2.attention" in line
    assert content_of(family) == before


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["LARGE"], "got none for middle, small"),
        (["LARGE", "LARGE"], "got a second one for base"),
        (["middle=LARGE", "middle=LARGE"], "got a second one for middle"),
        (["middle=LARGE", "small=LARGE"], "got none for base"),
        (["LARGE", "tiny=LARGE"], "fill tiny from"),
    ],
)
def test_one_folder_for_each_model(family, stored, given, word, capsys):
    folders = [argument.replace("LARGE", str(stored["base"])) for argument in given]
    line = refusal(capsys, ["--fill", str(family), "--checkpoint", *folders], status=2)
    assert word in line


def test_a_path_with_an_equals_sign_is_a_path(tmp_path):
    family = unfilled_family(tmp_path / "one", scaled=False)
    folder = write_small_checkpoint(tmp_path / "a=b", "large")
    assert main(["--fill", str(family), "--checkpoint", str(folder)]) == 0


def test_a_folder_that_is_no_checkpoint(family, stored, tmp_path, capsys):
    before = content_of(family)
    line = refusal(capsys, arguments(family, {**stored, "small": tmp_path / "none"}))
    assert "no such folder" in line
    assert content_of(family) == before


def test_a_family_that_is_filled_is_left_alone(family, stored, capsys):
    assert main(arguments(family, stored)) == 0
    before = content_of(family)
    assert "hashes already" in refusal(capsys, arguments(family, stored), status=2)
    assert content_of(family) == before


def test_no_family_there(tmp_path, capsys):
    assert "family.yaml" in refusal(capsys, ["--fill", str(tmp_path / "none")])


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["--fill", "x", "--height", "64"], "read --height"),
        (["--fill", "x", "--ignore-label", "0"], "read --ignore-label"),
        (["--fill", "x", "checkpoint"], "read CHECKPOINT"),
        (["checkpoint", "-o", "x", "--accept-license"], "read --accept-license"),
        (["checkpoint", "-o", "x", "--checkpoint", "y"], "read --checkpoint"),
        (["checkpoint"], "got no -o"),
        ([], "got no folder"),
    ],
)
def test_flags_that_do_not_go_together(words, word, capsys):
    assert word in refusal(capsys, words, status=2)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["export base", "export middle", "export small"])
def test_killed_in_between_it_is_as_before_and_can_be_done_again(family, stored, moment):
    before = content_of(family)
    command = [sys.executable, str(TOOL), *arguments(family, stored)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.strip() == moment:
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert content_of(family) == before
    assert main(arguments(family, stored)) == 0
    assert load_family(family).unfilled == []
    assert not list(family.parent.glob(".*.tmp"))
