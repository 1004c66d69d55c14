import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from edgert.cli.main import main


def inspect(path: Path, capsys, *flags: str) -> dict:
    assert main(["inspect", str(path), "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_the_stable_form(tiny_family: Path, capsys):
    found = inspect(tiny_family / "base.onnx", capsys)
    assert set(found) == {
        "macs", "parameters", "merged_macs", "residual_branches", "channel_groups", "attentions",
        "unknown_operators",
    }  # fmt: skip
    assert [b["name"] for b in found["residual_branches"]] == [
        "block1.mix", "block2.mix", "block3.mix",
    ]  # fmt: skip
    # one block: 3x3 from 8 to 16 channels and 1x1 back, at 6x8
    block_macs = 6 * 8 * (9 * 8 * 16 + 16 * 8)
    for branch in found["residual_branches"]:
        assert branch == {"name": branch["name"], "macs": block_macs, "shortcut": "identity"}
    stem, down = 6 * 8 * 16 * 3 * 8, 3 * 4 * 4 * 8 * 8
    linears, fuse, predict = (48 + 12) * 8 * 16, 48 * 32 * 16, 48 * 16 * 3
    assert found["macs"] == 3 * block_macs + stem + down + linears + fuse + predict
    assert found["merged_macs"] == found["macs"] - fuse
    assert found["unknown_operators"] == []


def test_groups_say_what_can_be_cut_and_what_can_not(tiny_family: Path, capsys):
    found = inspect(tiny_family / "base.onnx", capsys)["channel_groups"]
    by_name = {group["name"]: group for group in found}
    assert by_name["block1.mix.in"]["channels"] == 16
    assert by_name["block1.mix.in"]["blocked"] == ""
    assert "output logits" in by_name["head.predict"]["blocked"]
    assert main(["inspect", str(tiny_family / "base.onnx")]) == 0
    text = capsys.readouterr().out
    assert "head.predict can't be cut: the graph's output logits" in text


def test_attentions_say_which_edits_take_them(bundled_family: Path, capsys):
    found = inspect(bundled_family / "base.onnx", capsys)["attentions"]
    assert [site["name"] for site in found][:2] == [
        "stage1.block1.attention", "stage1.block2.attention",
    ]  # fmt: skip
    assert {site["merge_keys"] for site in found} == {"yes"}
    assert all(site["prune_tokens"] != "yes" for site in found)
    assert main(["inspect", str(bundled_family / "base.onnx")]) == 0
    assert "8 attentions" in capsys.readouterr().out


def test_text_says_what_would_merge(tiny_family: Path, capsys):
    assert main(["inspect", str(tiny_family / "base.onnx")]) == 0
    text = capsys.readouterr().out
    assert "3 residual branches" in text
    assert "merge_linear:" in text
    assert "less than exported" in text


def test_why_tells_of_every_map_and_the_short_form_of_the_heaviest(tiny_family: Path, capsys):
    assert main(["inspect", str(tiny_family / "base.onnx")]) == 0
    short = capsys.readouterr().out
    assert short.count(" stays: ") == 3
    assert "more stay: edgert inspect --why" in short
    assert main(["inspect", str(tiny_family / "base.onnx"), "--why"]) == 0
    assert capsys.readouterr().out.count(" stays: ") > 3


def test_a_reader_that_leaves_early_is_no_error(tiny_family: Path):
    command = f"{sys.executable} -m edgert inspect {tiny_family / 'base.onnx'} --why | true"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""


def make_model(path: Path, *nodes, shape=("batch", 4), domain: str = "") -> Path:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 18)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def test_unknown_operators_are_listed_never_zero_in_silence(tmp_path: Path, capsys):
    node = helper.make_node("Mystery", ["x"], ["y"], domain="com.example")
    found = inspect(make_model(tmp_path / "m.onnx", node, domain="com.example"), capsys)
    assert any("Mystery" in name for name in found["unknown_operators"])


def test_free_dimensions_need_a_shape(tmp_path: Path, capsys):
    path = make_model(
        tmp_path / "m.onnx", helper.make_node("Relu", ["x"], ["y"]), shape=("n", "m")
    )
    assert main(["inspect", str(path)]) == 1
    assert "Give one: --input-shape x=1,3,224,224" in capsys.readouterr().err
    assert inspect(path, capsys, "--input-shape", "x=2,5")["macs"] == 0


@pytest.mark.parametrize("text", ["x", "x=", "x=1,a", "=1,2", "x=0,2"])
def test_a_malformed_shape_is_a_usage_error(tmp_path: Path, capsys, text: str):
    path = make_model(tmp_path / "m.onnx", helper.make_node("Relu", ["x"], ["y"]))
    assert main(["inspect", str(path), "--input-shape", text]) == 2
    assert "expected NAME=1,3,224,224" in capsys.readouterr().err


def test_a_shape_for_an_input_that_is_not_there_is_refused(tmp_path: Path, capsys):
    path = make_model(tmp_path / "m.onnx", helper.make_node("Relu", ["x"], ["y"]))
    assert main(["inspect", str(path), "--input-shape", "z=1,2"]) == 1
    assert "names among ['x']" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.99])
def test_a_truncated_file_is_one_line(tiny_family: Path, tmp_path: Path, capsys, keep: float):
    data = (tiny_family / "base.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    assert main(["inspect", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"edgert inspect: read {path}: expected")


@pytest.mark.parametrize("content", [b"not a model", b"\x00" * 64, bytes(range(256))])
def test_what_is_no_model_is_one_line(tmp_path: Path, capsys, content: bytes):
    (tmp_path / "m.onnx").write_bytes(content)
    assert main(["inspect", str(tmp_path / "m.onnx")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_missing_weights_are_named(bundled_family: Path, tmp_path: Path, capsys):
    (tmp_path / "base.onnx").write_bytes((bundled_family / "base.onnx").read_bytes())
    assert main(["inspect", str(tmp_path / "base.onnx")]) == 1
    assert "base.weights" in capsys.readouterr().err
    weights = (bundled_family / "base.weights").read_bytes()
    (tmp_path / "base.weights").write_bytes(weights[: len(weights) // 2])
    assert main(["inspect", str(tmp_path / "base.onnx")]) == 1
    assert f"{len(weights) // 2} bytes" in capsys.readouterr().err


def test_a_folder_is_one_line_that_says_so(tiny_family: Path, capsys):
    assert main(["inspect", str(tiny_family)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "expected an ONNX file, got a folder" in line
    assert "base.onnx" in line
