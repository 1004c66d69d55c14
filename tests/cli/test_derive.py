import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgert.cli.main import main


def derive(model: Path, edits: str, output: Path, *flags: str) -> int:
    file = output.with_suffix(".yaml")
    file.write_text(edits)
    return main(["derive", str(model), "--edits", str(file), "-o", str(output), *flags])


def logits(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((1, 3, 24, 32)).astype(np.float32)
    return session.run(None, {"pixel_values": x})[0]


def test_derived_file_runs_anywhere_and_is_alone(tiny_family: Path, tmp_path: Path, capsys):
    output = tmp_path / "out" / "merged.onnx"
    output.parent.mkdir()
    assert derive(tiny_family / "base.onnx", "- merge_linear: {}\n", output, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["macs"] < said["macs_before"]
    assert {p.name for p in output.parent.iterdir()} == {"merged.onnx", "merged.yaml"}
    np.testing.assert_allclose(logits(output), logits(tiny_family / "base.onnx"), atol=1e-5)


def test_a_model_with_weights_beside_it_becomes_one_file(tiny_family, tmp_path: Path):
    import onnx

    model = onnx.load(str(tiny_family / "base.onnx"))
    (tmp_path / "split").mkdir()
    onnx.save(
        model, str(tmp_path / "split" / "m.onnx"), save_as_external_data=True,
        location="m.weights", size_threshold=0,
    )  # fmt: skip
    assert derive(tmp_path / "split" / "m.onnx", "- merge_linear: {}", tmp_path / "o.onnx") == 0
    shutil.rmtree(tmp_path / "split")
    np.testing.assert_allclose(
        logits(tmp_path / "o.onnx"), logits(tiny_family / "base.onnx"), atol=1e-5
    )


def test_edits_compose_in_their_order(tiny_family: Path, tmp_path: Path, capsys):
    edits = "- merge_linear: {}\n- skip_residuals: {branches: [block1.mix, block3.mix]}\n"
    assert derive(tiny_family / "base.onnx", edits, tmp_path / "o.onnx") == 0
    assert "% of" in capsys.readouterr().out
    different = logits(tmp_path / "o.onnx") - logits(tiny_family / "base.onnx")
    assert np.abs(different).max() > 1e-3


def test_deriving_in_two_steps_is_deriving_in_one(tiny_family: Path, tmp_path: Path):
    first, second = "- merge_linear: {}\n", "- skip_residuals: {branches: [block2.mix]}\n"
    assert derive(tiny_family / "base.onnx", first + second, tmp_path / "one.onnx") == 0
    assert derive(tiny_family / "base.onnx", second, tmp_path / "half.onnx") == 0
    assert derive(tmp_path / "half.onnx", first, tmp_path / "two.onnx") == 0
    np.testing.assert_allclose(
        logits(tmp_path / "one.onnx"), logits(tmp_path / "two.onnx"), atol=1e-5
    )


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        ("merge_linear: {}", r"expected array, got {'merge_linear': {}}"),
        ("- merge_linear", r"at \[0\]: expected object, got 'merge_linear'"),
        ("- {merge_linear: {}, skip_residuals: {branches: [a]}}", "got 2 names"),
        ("- merge_lnear: {}", "expected an edit among"),
        ("- skip_residuals: {branches: [block7.mix]}", r"block7\.mix"),
        ("- skip_residuals: {branches: []}", "skip_residuals|branch"),
        ("- narrow_channels: {group: nothing, keep: 8}", "nothing"),
        ("- [", "expected YAML"),
    ],
)
def test_bad_edits_are_one_line_and_write_nothing(
    tiny_family: Path, tmp_path: Path, capsys, edits: str, line: str
):
    import re

    output = tmp_path / "o.onnx"
    assert derive(tiny_family / "base.onnx", edits, output) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(line, lines[0]), lines[0]
    assert not output.exists()


def test_merging_what_is_merged_is_an_error_not_a_silent_copy(tiny_family, tmp_path, capsys):
    assert derive(tiny_family / "base.onnx", "- merge_linear: {}", tmp_path / "a.onnx") == 0
    assert derive(tmp_path / "a.onnx", "- merge_linear: {}", tmp_path / "b.onnx") == 1
    assert not (tmp_path / "b.onnx").exists()


def test_a_missing_output_folder_is_one_line(tiny_family: Path, tmp_path: Path, capsys):
    edits = tmp_path / "e.yaml"
    edits.write_text("- merge_linear: {}")
    command = ["derive", str(tiny_family / "base.onnx"), "--edits", str(edits)]
    assert main([*command, "-o", str(tmp_path / "no" / "o.onnx")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
