import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgert.cli.main import main
from tests.build.broken_graphs import BROKEN, write_broken, write_healthy_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    return write_healthy_pair(tmp_path_factory.mktemp("healthy"))


def verify(capsys, *words: object) -> tuple[int, str, str]:
    status = main(["verify", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_sound_graph_says_what_was_checked(pair, capsys):
    status, out, err = verify(capsys, pair[1])
    assert status == 0
    assert err == ""
    assert "no error in format, operators, shapes, load, run, optimisation" in out
    assert "on 9 inputs" in out


def test_against_its_parent_results_and_costs_are_compared(pair, capsys):
    parent, derived = pair
    status, out, _ = verify(capsys, derived, "--against", parent, "--lossless", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["stages"][-2:] == ["parent", "cost"]
    assert [f for f in found["findings"] if not f["warning"]] == []
    assert 0 < found["parent_difference"] < 1e-5
    assert 0 <= found["optimised_difference"] < 1e-5
    assert found["latency"]["ratio"] > 0
    status, out, _ = verify(capsys, derived, "--against", parent)
    assert status == 0
    assert "times its parent's" in out


@pytest.mark.parametrize(
    "name", ["bias_lost", "operator_newer_than_the_opset", "stale_inner_shape"]
)
def test_a_broken_graph_is_one_line_and_status_1(pair, tmp_path, capsys, name):
    [fault] = [fault for fault in BROKEN if fault.name == name]
    path = write_broken(fault, pair[1], tmp_path)
    status, out, err = verify(capsys, path, "--against", pair[0], "--lossless")
    assert status == 1
    assert err == ""
    errors = [line for line in out.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1
    assert f"{path.name}, {fault.stage}, node" in errors[0]
    status, out, _ = verify(capsys, path, "--against", pair[0], "--lossless", "--json")
    assert status == 1
    assert json.loads(out)["findings"][0]["stage"] == fault.stage


def test_a_graph_against_itself_is_no_derived_graph(pair, capsys):
    status, out, _ = verify(capsys, pair[0], "--against", pair[0])
    assert status == 1
    assert "node for node" in out


def test_free_sizes_need_a_shape_and_take_one(pair, tmp_path, capsys):
    text = """<ir_version: 9, opset_import: ["" : 18]>
        g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"""
    onnx.save(onnx.parser.parse_model(text), str(tmp_path / "m.onnx"))
    status, out, _ = verify(capsys, tmp_path / "m.onnx")
    assert status == 1
    assert "static sizes of input x" in out
    assert "--input-shape" in out
    status, out, _ = verify(capsys, tmp_path / "m.onnx", "--input-shape", "x=4,3")
    assert status == 0


def test_pictures_are_run_as_well(pair, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    for index in range(3):
        image.fromarray(np.roll(pixels, index)).save(tmp_path / f"{index}.png")
    flags = ["--frames", tmp_path, "--frame-count", "2", "--json"]
    status, out, _ = verify(capsys, pair[1], *flags)
    assert status == 0
    assert json.loads(out)["inputs"] == 11


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--lossless"], "--against PARENT.onnx with it"),
        (["--frames", "nowhere"], "a folder with pictures"),
        (["--input-shape", "x"], "expected NAME=1,3,224,224"),
    ],
)
def test_flags_that_make_no_sense_are_usage_errors(pair, capsys, flags, said):
    status, out, err = verify(capsys, pair[1], *flags)
    assert status == 2
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_frames_need_a_model_that_takes_pictures(tmp_path, capsys):
    text = """<ir_version: 9, opset_import: ["" : 18]>
        g (float[2,3] x) => (float[2,3] y) { y = Relu(x) }"""
    onnx.save(onnx.parser.parse_model(text), str(tmp_path / "m.onnx"))
    (tmp_path / "a.png").write_bytes(b"")
    status, _, err = verify(capsys, tmp_path / "m.onnx", "--frames", tmp_path)
    assert status == 2
    assert "got (2, 3)" in err


@pytest.mark.parametrize("which", ["model", "parent"])
def test_a_file_that_is_missing_is_one_line(pair, tmp_path, capsys, which):
    gone = tmp_path / "gone.onnx"
    words = [gone] if which == "model" else [pair[1], "--against", gone]
    status, out, err = verify(capsys, *words)
    assert status == 1
    assert "gone.onnx" in out + err
    assert "no such file" in out + err
