import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgert.artifacts import load_family
from edgert.build.derive import derive_configuration
from edgert.build.targets import TARGETS
from edgert.cli.main import main
from edgert.cli.verify import _TARGETS
from edgert.surgery.load import load_graph
from tests.build.broken_graphs import BROKEN, write_broken, write_healthy_pair
from tests.build.nvidia_graphs import MIXED, STANDIN, one_operator, save_text
from tests.conftest import PROJECT


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


# ---------------------------------------------------------------- a target


def test_the_flag_knows_every_target():
    assert set(_TARGETS) == set(TARGETS)


def test_a_graph_that_only_the_installed_runtime_takes(tmp_path, capsys):
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"""
    path = save_text(text, tmp_path / "m.onnx")
    assert verify(capsys, path)[0] == 0
    status, out, err = verify(capsys, path, "--target", "tensorrt")
    assert status == 1
    assert err == ""
    assert out.splitlines() == [
        "ERROR: m.onnx, operators, node block/Relu0 (Relu): expected what TensorRT 10.3 (JetPack "
        "6) runs, got opset 21, where its parser knows 9 to 20 (export with 18). Export with "
        "another opset or type, or replace the operator.",
        f"{path}: 1 errors in format, operators",
    ]


def test_a_family_is_held_against_a_target_without_being_built(tiny_family, capsys):
    status, out, err = verify(capsys, tiny_family, "--target", "tensorrt")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("held against TensorRT 10.3 (JetPack 6)")
    assert [line.split() for line in lines[2:]] == [
        ["full", "accepted"], ["c2", "accepted"], ["c1", "accepted"],
        ["3", "of", "3", "accepted"],
    ]  # fmt: skip
    assert not (tiny_family / "built").exists()
    status, out, _ = verify(capsys, tiny_family, "--json")
    found = json.loads(out)
    assert (found["target"], found["tensorrt_rtx"]) == ("onnxruntime", None)
    assert [each["accepted"] for each in found["configurations"]] == [True] * 3


def test_a_family_is_found_by_its_name(tiny_family, monkeypatch, tmp_path, capsys):
    shutil.copytree(tiny_family, tmp_path / "here" / "engines" / "small")
    monkeypatch.chdir(tmp_path / "here")
    assert verify(capsys, "small")[0] == 0
    status, _, err = verify(capsys, "engines")  # a folder, and no family
    assert status == 1
    assert "family.yaml" in err


@pytest.mark.parametrize(
    "flags",
    [
        ["--against", "x.onnx"],
        ["--lossless"],
        ["--frames", "x"],
        ["--input-shape", "x=1,3,24,32"],
    ],
)
def test_flags_of_one_graph_are_not_for_a_family(tiny_family, capsys, flags):
    status, out, err = verify(capsys, tiny_family, *flags)
    assert (status, out) == (2, "")
    assert f"{flags[0]}: expected one ONNX file with it" in err


# ---------------------------------------------------------------- NVIDIA's compiler


@pytest.fixture
def rtx(monkeypatch):
    """The stand-in under the name of NVIDIA's module, for processes that are started too."""
    monkeypatch.syspath_prepend(str(STANDIN))


def derived_operators(family: Path, name: str) -> Counter[str]:
    folder = load_family(family)
    [configuration] = [c for c in folder.family.configurations if c.name == name]
    base = load_graph(folder.graph_path)
    graph = derive_configuration(folder, configuration, base=base, subject="derive")
    return Counter(node.op_type for node in graph.nodes)


PROOF = "this says nothing about TensorRT 10.3 on a Jetson, nor about speed or results"


@pytest.mark.usefixtures("rtx")
def test_a_family_is_compiled_with_what_that_proves(tiny_family, capsys):
    status, out, err = verify(capsys, tiny_family, "--nvidia")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].startswith("parsed and compiled by TensorRT-RTX 9.8.7.6 on the CPU, for SM86")
    assert PROOF in lines
    assert any("Orin's SM87" in line for line in lines)
    assert lines[-1] == "3 of 3 accepted"
    [row] = [line for line in lines if line.startswith("full ")]
    assert row.split()[1:5] == [
        "accepted", "accepted", str(derived_operators(tiny_family, "full").total()), "FLOAT"
    ]  # fmt: skip
    convolutions = derived_operators(tiny_family, "c1")["Conv"]
    [layers] = [line for line in lines if line.startswith("layers of c1: ")]
    assert f"{convolutions} CONVOLUTION, " in layers
    assert layers.endswith("; all FLOAT")


@pytest.mark.usefixtures("rtx")
def test_a_family_is_compiled_as_json(tiny_family, capsys):
    status, out, _ = verify(capsys, tiny_family, "--nvidia", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["target"] == "TensorRT 10.3 (JetPack 6)"
    assert found["tensorrt_rtx"] == "9.8.7.6"
    assert PROOF in found["proves"]
    compiled = found["configurations"][0]["compiled"]
    assert set(compiled) == {
        "refused", "layers", "low_precision", "warnings", "plan_bytes", "parse_s", "compile_s",
    }  # fmt: skip
    convolutions = derived_operators(tiny_family, "full")["Conv"]
    assert compiled["layers"]["CONVOLUTION"] == {"FLOAT": convolutions}
    assert compiled["refused"] is None


@pytest.mark.usefixtures("rtx")
def test_a_graph_in_half_precision_is_accepted_with_a_loud_warning(tmp_path, capsys):
    path = save_text(MIXED, tmp_path / "m.onnx")
    status, out, _ = verify(capsys, path, "--nvidia")
    assert status == 0
    assert "no error in format, operators, shapes, load, run, optimisation" in out
    [warning] = [line for line in out.splitlines() if line.startswith("WARNING: ")]
    assert warning == (
        "WARNING: m.onnx: 3 layers sum in less than 32 bits (1 NORMALIZATION, 1 SOFTMAX, 1 "
        "REDUCE), where half precision overflows without an error: block/LayerNormalization1, "
        "block/Softmax2, block/ReduceMean4. Keep them in float32"
    )
    assert "2 CAST (HALF 1, FLOAT 1)" in out
    assert PROOF in out


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize(
    ("operator", "said"),
    [
        ("Refused", "parse: expected operators, attributes and types that TensorRT supports, got "
                    "node block/Refused1 (Refused): UNSUPPORTED_NODE: Assertion failed"),
        ("Unbuildable", "compile: expected a plan, got Error Code 4: no tactic"),
        ("Crashed", "crash: expected a plan, or a reason why there is none, got a process that "
                    "ended by SIGSEGV"),
    ],
)  # fmt: skip
def test_a_graph_that_is_refused_is_asked_of_both(operator, said, tmp_path, capsys):
    status, out, err = verify(capsys, one_operator(operator, tmp_path), "--nvidia")
    assert (status, err) == (1, "")
    errors = [line for line in out.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 2
    assert f"{operator} of domain test, which would need a plugin" in errors[0]
    assert errors[1].startswith(f"ERROR: {operator}.onnx, {said}")
    assert out.splitlines()[-1] == "0 of 1 accepted"
    status, out, _ = verify(capsys, one_operator(operator, tmp_path), "--nvidia", "--json")
    found = json.loads(out)
    assert status == 1
    assert found["compiled"]["refused"]["stage"] == said.split(":")[0]
    assert found["findings"][0]["stage"] == "operators"


@pytest.mark.usefixtures("rtx")
def test_a_file_that_can_not_be_read_is_not_compiled(tmp_path, capsys):
    (tmp_path / "m.onnx").write_bytes(b"\x00" * 50)
    status, out, _ = verify(capsys, tmp_path / "m.onnx", "--nvidia", "--json")
    assert status == 1
    assert json.loads(out)["compiled"] is None


@pytest.mark.usefixtures("rtx")
def test_free_sizes_are_filled_in_for_the_compiler_too(tmp_path, capsys):
    text = """<ir_version: 9, opset_import: ["" : 18]>
        g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"""
    path = save_text(text, tmp_path / "m.onnx")
    flags = ["--nvidia", "--input-shape", "x=1,3"]
    status, out, _ = verify(capsys, path, *flags)
    assert status == 0
    assert out.splitlines()[-1] == "1 of 1 accepted"
    status, out, _ = verify(capsys, path, "--nvidia")
    assert status == 1
    assert "compile" in out
    assert "static sizes" in out


def test_ctrl_c_in_the_middle_of_a_graph_is_one_line_and_leaves_nothing(tmp_path):
    path = one_operator("Hung", tmp_path)
    os.mkfifo(path.with_suffix(".pipe"))
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgert", "verify", str(path), "--nvidia"],
        env={**os.environ, "PYTHONPATH": f"{STANDIN}:{PROJECT}", "TMPDIR": f"{tmp_path}/scratch"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    path.with_suffix(".pipe").read_text()  # waits until the compiler is at it
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: both processes get it
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "edgert verify: stopped"
    assert "Traceback" not in err
    assert list((tmp_path / "scratch").iterdir()) == []
