"""The comparison as it is called, with a peer that stands in for onnxsim, and with onnxsim."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.tools.attention_family import make_attention_family, make_frames

STANDIN = Path(__file__).parent / "standin"


@pytest.fixture
def case(tmp_path):
    family = make_attention_family(tmp_path / "family")
    frames = make_frames(tmp_path / "frames")
    return [family, "--calibration", frames / "images", "--dataset", frames]


def prune(*words, peer=STANDIN, timeout=300):
    command = [sys.executable, str(PROJECT / "tools" / "benchmark.py"), "prune"]
    path = os.pathsep.join(str(p) for p in (peer, PROJECT) if p)
    return subprocess.run(
        [*command, *map(str, words)], capture_output=True, text=True, timeout=timeout,
        check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def compared(*words, **options):
    result = prune(*words, "--json", **options)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    return found, {row["name"]: row for row in found["rows"]}


@pytest.mark.slow
def test_every_end_of_a_row_is_told_and_none_ends_the_table(case):
    found, rows = compared(*case, "--rounds", 2, "--rows", "exported/*", "--threads", 1)
    notes = {name: row["note"] for name, row in rows.items() if row["by"] == "onnxsim"}
    assert notes["exported/blocks-2"] == ""
    assert notes["exported/blocks-4"].startswith("invalid: ")
    assert notes["exported/blocks-8"] == "no change"
    assert notes["exported/wanda-10"] == "failed: RuntimeError: no chain of this shape"
    assert notes["exported/wanda-25"].startswith("failed: ended by signal 6")
    assert notes["exported/wanda-50"] == "invalid: its output has numbers that are not finite"
    assert rows["exported/skip-8"]["note"].startswith("failed: skip 8 branches: expected 8")
    assert found["peer"] == "onnxsim stand-in"
    assert found["calibration_frames"] == found["validation_frames"] == 6
    for row in rows.values():
        runs = not row["note"].startswith(("failed: ", "invalid: ", "no change"))
        assert ("miou" in row) == ("latency_ratio" in row) == runs


@pytest.mark.slow
def test_answers_cost_at_most_what_they_answer(case):
    found, rows = compared(*case, "--rounds", 1, "--rows", "*/blocks-2", "--threads", 1)
    assert set(found["answers"]) == {"exported/blocks-2", "merged/blocks-2"}
    for name, answers in found["answers"].items():
        assert {"plain", "uniform"} <= set(answers)
        for kind in {"uniform", "family"} & set(answers):
            assert rows[answers[kind]]["macs"] <= rows[name]["macs"]
    exported, merged = rows["exported"], rows["merged"]
    assert exported["miou"] == 1.0
    assert exported["latency_ratio"] == exported["macs_ratio"] == 1.0
    assert merged["macs_ratio"] < 1
    assert merged["miou_change"] == pytest.approx(0, abs=0.01)
    # the stand-in drops a block of the exported graph, which still costs more than the merged one
    assert rows["exported/blocks-2"]["miou"] < 1
    lossless = rows["edgert lossless"]
    assert lossless["macs"] == merged["macs"]
    assert lossless["miou"] == pytest.approx(1, abs=0.01)
    # what edgert fits loses less than what is dropped without a word
    uniform = rows[found["answers"]["merged/blocks-2"]["uniform"]]
    assert uniform["miou"] > rows["merged/blocks-2"]["miou"]
    # best by what family.yaml states, though it costs less
    assert found["answers"]["exported/blocks-2"]["family"] == "family/small"
    assert "family" not in found["answers"]["merged/blocks-2"]  # neither is as cheap
    for row in rows.values():
        made = row["by"] in ("onnxsim", "plain skip", "edgert") or row["name"] == "merged"
        assert (row["made_s"] is not None) == (row["peak_bytes"] is not None) == made


@pytest.mark.slow
def test_the_table_is_printed_with_the_machine(case):
    result = prune(*case, "--rounds", 1, "--rows", "merged/wanda-10", "--frames", 2)
    assert result.returncode == 0, result.stderr
    first, second, *_ = result.stdout.splitlines()
    assert "cores" in first
    assert "Baseline" in second
    assert "| failed: RuntimeError: no chain of this shape" in result.stdout
    assert "2 unlabelled calibration frames, 6 labelled frames" in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--rows", "blocks-2"], "some of exported/blocks-2"),
        (["--frames", "1"], "2 or more"),
        (["--rounds", "0"], "1 or more"),
        (["--dataset-count", "0"], "1 or more"),
    ],
)
def test_arguments_out_of_range_are_one_line(case, words, expected):
    result = prune(*case, *words)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr
    assert result.stdout == ""


def test_missing_frames_are_one_line(case, tmp_path):
    family, *_ = case
    empty = tmp_path / "empty"
    empty.mkdir()
    for calibration in (empty, tmp_path / "none"):
        result = prune(family, "--calibration", calibration, "--dataset", empty)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("benchmark: read calibration frames")


# ---------------------------------------------------------------- with onnxsim itself


@pytest.mark.export
def test_onnxsim_itself_is_called_as_it_wants(case):
    pytest.importorskip("onnxsim")
    found, rows = compared(
        *case, "--rounds", 1, "--rows", "*/blocks-2", "exported/wanda-50", peer=None
    )  # fmt: skip
    assert found["peer"].startswith("onnxsim v0.8")
    for name in ("exported/blocks-2", "exported/wanda-50", "merged/blocks-2"):
        assert rows[name]["note"] == ""
        assert rows[name]["macs"] < rows[name.partition("/")[0]]["macs"]
        assert rows[name]["miou"] < 1
        uniform = rows[found["answers"][name]["uniform"]]
        assert uniform["macs"] <= rows[name]["macs"]


@pytest.mark.export
def test_the_bundled_family_is_compared(bundled_family, camvid):
    pytest.importorskip("onnxsim")
    found, rows = compared(
        bundled_family, "--calibration", camvid / "train", "--dataset", camvid / "val",
        "--frames", 6, "--dataset-count", 4, "--rounds", 1, "--rows", "merged/blocks-8",
        "merged/wanda-50", peer=None, timeout=900,
    )  # fmt: skip
    assert rows["merged/wanda-50"]["note"] == "no change"
    peer = rows["merged/blocks-8"]
    answer = rows[found["answers"]["merged/blocks-8"]["uniform"]]
    assert answer["macs"] <= peer["macs"]
    assert answer["miou"] > peer["miou"] + 0.02
