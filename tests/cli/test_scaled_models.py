"""A family of three models of different size behind one controller, verb by verb."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from edgert.artifacts import load_profile, read_run
from edgert.cli.main import main
from tests.cli.runs import BOARD
from tests.scaled_family import make_scaled_family

NAMES = ["w", "w1", "full", "c2", "c1", "s", "s1"]
MODEL_OF = {"w": "wide", "w1": "wide", "s": "small", "s1": "small"}
SOURCE = "test://?width=64&height=48&fps=100&frames=4000"
# After three seconds only what the small model draws fits; the larger one again after eight.
TRACE = """\
{{"time_s": 3, "power_limit_w": {tight_w}}}
{{"time_s": 8, "power_limit_w": 20}}
"""


@pytest.fixture(scope="module")
def built_once(tmp_path_factory) -> Path:
    """A folder with engines/scaled, built and profiled. Not to be changed."""
    root = tmp_path_factory.mktemp("root")
    make_scaled_family(root / "engines" / "scaled")
    before, threads = Path.cwd(), os.environ.get("EDGERT_THREADS")
    os.environ["EDGERT_THREADS"] = "1"
    os.chdir(root)
    try:
        assert main(["build", "scaled"]) == 0
        words = ["profile", "scaled", "--rounds", "2", "--frame-count", "3", "--frames", SOURCE]
        assert main([*words, "--board", str(BOARD)]) == 0
    finally:
        os.chdir(before)
        os.environ.pop("EDGERT_THREADS")
        if threads is not None:
            os.environ["EDGERT_THREADS"] = threads
    return root


@pytest.fixture
def root(built_once: Path, here: Path) -> Path:
    shutil.copytree(built_once, here, dirs_exist_ok=True)
    return here


def said(capsys, *words: str) -> tuple[int, str]:
    capsys.readouterr()
    return main(list(words)), capsys.readouterr().out


def test_one_controller_switches_between_models(root: Path, capsys):
    """Each engine is so slow on this board that it runs back to back: power alone decides."""
    [file] = (root / "profiles" / "measured").glob("*/scaled.json")
    powers_w = {entry.name: entry.power_w for entry in load_profile(file).entries}
    most_w = max(powers_w[name] for name in ("s", "s1"))
    tight_w = (most_w + min(w for name, w in powers_w.items() if name not in ("s", "s1"))) / 2
    (root / "trace.jsonl").write_text(TRACE.format(tight_w=tight_w))
    status, out = said(
        capsys, "run", "scaled", SOURCE, "--board", str(BOARD), "--virtual-time",
        "--latency-scale", "100", "--period-s", "0.01", "--deadline-s", "100", "--power-w", "20",
        "--trace", "trace.jsonl", "--max-s", "10", "--report", "r.html", "--json",
        "-o", "a.mp4",
    )  # fmt: skip
    assert status == 0
    summary = json.loads(out)["summary"]
    _, frames = read_run(root / "r.jsonl")
    assert frames[0].configuration == "w"  # the most accurate
    first = next(frame for frame in frames if MODEL_OF.get(frame.configuration) == "small")
    assert first.time_s >= 3
    assert f"(the budget of {tight_w:.2f} W)" in first.reason
    used = {MODEL_OF.get(frame.configuration, "base") for frame in frames}
    assert {"wide", "small"} <= used
    assert summary["switches"] >= 1
    assert summary["misses"] == 0
    assert (root / "a.mp4").stat().st_size > 0


def test_the_dearest_model_looks_at_frames_of_another(root: Path, capsys):
    """Shadow runs compare outputs place by place, so all models' outputs have one shape."""
    [file] = (root / "profiles" / "measured").glob("*/scaled.json")
    content = json.loads(file.read_text())
    for entry in content["entries"]:
        entry["accuracy"] = 0.9 if entry["name"] == "s1" else 0.5  # so that s1 runs
    file.write_text(json.dumps(content))
    status, out = said(
        capsys, "run", "scaled", SOURCE, "--board", str(BOARD), "--virtual-time", "--period-s",
        "0.1", "--deadline-s", "0.1", "--max-s", "10", "--shadow-share", "0.5", "--json",
    )  # fmt: skip
    assert status == 0
    summary = json.loads(out)["summary"]
    assert summary["shares"] == {"s1": 1.0}
    assert summary["shadow"]["runs"] > 3
    assert summary["shadow"]["failed"] == 0
    assert 0 < summary["agreements"]["s1"]["mean"] <= 1


def test_the_profile_has_all_models_and_the_base_s_baselines(root: Path):
    [file] = (root / "profiles" / "measured").glob("*/scaled.json")
    profile = load_profile(file)
    assert [entry.name for entry in profile.entries] == NAMES
    assert all(entry.latency_s > 0 and entry.agreement is not None for entry in profile.entries)
    [manifest] = (root / "engines" / "scaled" / "built").glob("*/manifest.json")
    assert profile.baselines_macs == json.loads(manifest.read_text())["baselines_macs"]


def test_model_derives_each_from_its_own_model(root: Path, capsys):
    words = ["model", "scaled", "--board", "jetson-orin-nano-8gb", "--power-mode", "25W", "--json"]
    status, out = said(capsys, *words)
    assert status == 0
    profile = json.loads(out)["profile"]
    macs = {entry["name"]: entry["macs"] for entry in profile["entries"]}
    assert macs["w"] > macs["full"] > macs["s"] > macs["s1"] > 0
    assert profile["baselines_macs"]["merged"] == macs["full"]


def test_verify_holds_each_against_tensorrt(root: Path, capsys):
    status, out = said(capsys, "verify", "engines/scaled", "--target", "tensorrt")
    assert status == 0
    assert out.splitlines()[-1] == "7 of 7 accepted"


def test_doctor_tells_what_all_engines_take_together(root: Path, capsys):
    status, out = said(capsys, "doctor", "scaled")
    assert status == 0
    assert "7 engines by onnxruntime" in out
    assert "    memory: 7 engines resident, " in out


def test_doctor_says_stale_after_another_model_came(root: Path, capsys):
    file = root / "engines" / "scaled" / "family.yaml"
    content = yaml.safe_load(file.read_text())
    content["models"][1]["input"]["mean"] = [0.5, 0.5, 0.5]
    file.write_text(yaml.safe_dump(content))
    status, out = said(capsys, "doctor", "scaled")
    assert status == 1
    assert "model small was " in out


def test_a_family_that_is_not_filled_is_one_line_for_each_verb(root: Path, capsys):
    file = root / "engines" / "scaled" / "family.yaml"
    content = yaml.safe_load(file.read_text())
    del content["models"][0]["sha256"]
    file.write_text(yaml.safe_dump(content))
    for words in (["build"], ["profile"], ["run"], ["verify"]):
        capsys.readouterr()
        verb, *more = [*words, *([SOURCE] if words == ["run"] else [])]
        assert main([verb, "engines/scaled", *more]) == 1
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert "expected the graph of model wide, wide.onnx, with its hash" in error
        assert "tools/export_segformer.py --fill engines/scaled" in error
    status, out = said(capsys, "doctor")
    assert status == 0  # nothing is broken
    assert "engines/scaled: not filled" in out
    assert "--fill engines/scaled" in out
