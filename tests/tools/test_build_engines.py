"""The script as a user runs it, on a folder with families of the tests' own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_family import make_tiny_family

TOOL = Path(__file__).resolve().parents[2] / "tools" / "build_engines.py"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        make_tiny_family(tmp_path / "engines" / name)
    return tmp_path


def test_every_family_is_built_and_told_in_a_table(folder: Path):
    result = run(folder, "--rounds", "1", "--frames", "test://", "--frame-count", "2")
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("one", "two"):
        assert f"engines/{name}/built/" in result.stdout
        assert list((folder / "engines" / name).glob("built/*/manifest.json"))
    header = next(x for x in result.stdout.splitlines() if x.startswith("configuration"))
    for column in ("precision", "size", "build time", "largest difference", "latency"):
        assert column in header
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(("full", "c"))]
    assert [row[0] for row in rows if row[0] != "configuration"] == ["full", "c2", "c1"] * 2
    assert "miou lost" in header
    assert "latency on " in result.stdout


def test_a_second_time_nothing_is_built(folder: Path):
    run(folder, "one", "--rounds", "1")
    engine = next((folder / "engines" / "one").glob("built/*/full.onnx"))
    before = engine.stat().st_mtime_ns
    result = run(folder, "one", "--rounds", "1", "--json")
    [report] = json.loads(result.stdout)
    assert report["rebuilt"] is False
    assert engine.stat().st_mtime_ns == before
    assert set(report["latencies"]) == {"full", "c2", "c1"}
    assert all(entry["median_s"] > 0 for entry in report["latencies"].values())
    assert not (folder / "engines" / "two" / "built").exists()


def test_a_broken_family_is_one_line_and_the_next_is_built(folder: Path):
    (folder / "engines" / "one" / "base.onnx").write_bytes(b"nothing")
    result = run(folder, "--rounds", "1")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "engines/one" in result.stderr
    assert list((folder / "engines" / "two").glob("built/*/manifest.json"))


def unfilled(family: Path) -> None:
    file = family / "family.yaml"
    lines = [line for line in file.read_text().splitlines() if "base:" not in line]
    assert len(lines) < len(file.read_text().splitlines())
    file.write_text("\n".join(["base: {graph: base.onnx, source: hub/model}", *lines]))


def test_a_family_that_is_not_filled_is_left_out_with_a_word(folder: Path):
    unfilled(folder / "engines" / "one")
    result = run(folder, "--rounds", "1")
    assert result.returncode == 0
    assert result.stderr == ("build_engines: engines/one: not filled yet, passed over\n")
    assert list((folder / "engines" / "two").glob("built/*/manifest.json"))
    named = run(folder, "one")
    assert named.returncode == 1
    assert "a family that is not filled yet" in named.stderr


def test_no_families_here_is_usage(tmp_path: Path):
    result = run(tmp_path)
    assert result.returncode == 2
    assert "expected families under ./engines, got none" in result.stderr


def test_an_unknown_backend_is_one_line(folder: Path):
    result = run(folder, "--backend", "abacus")
    assert result.returncode == 1
    assert "expected one of onnxruntime" in result.stderr
    assert len(result.stderr.splitlines()) == 1
