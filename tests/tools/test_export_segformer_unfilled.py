"""Families that were written down without weights, among others that have theirs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import save_family
from edgert.cli.main import main
from edgert.families.segformer_ade20k import FAMILIES
from tests.tiny_family import make_tiny_family

TOOL = Path(__file__).resolve().parents[2] / "tools" / "build_engines.py"
NAMES = sorted(FAMILIES)


def make_unfilled(folder: Path) -> None:
    for name, make in FAMILIES.items():
        (folder / "engines" / name).mkdir(parents=True)
        save_family(folder / "engines" / name / "family.yaml", make())


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), "--rounds", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    make_unfilled(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_family_is_built_but_those_without_weights(folder: Path):
    make_tiny_family(folder / "engines" / "tiny")
    result = build(folder)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        f"build_engines: engines/{name}: not filled yet, passed over" for name in NAMES
    ]
    assert "engines/tiny/built/" in result.stdout
    assert not any((folder / "engines" / name / "built").exists() for name in NAMES)


def test_where_none_has_weights_that_is_told(folder: Path):
    result = build(folder)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert "expected families under ./engines, got none with its weights" in last


def test_one_that_was_named_is_refused_in_one_line(folder: Path):
    result = build(folder, f"engines/{NAMES[0]}")
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "not filled yet" in line
    assert f"--fill engines/{NAMES[0]}" in line


def test_a_damaged_family_is_still_told(folder: Path):
    (folder / "engines" / NAMES[0] / "family.yaml").write_text("format: 9", encoding="utf-8")
    make_tiny_family(folder / "engines" / "tiny")
    result = build(folder)
    assert result.returncode == 1
    assert any("family.yaml" in line for line in result.stderr.splitlines())


def test_doctor_names_them_and_counts_them_only_where_asked_for(folder: Path, capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for name in NAMES:
        assert f"engines/{name}: not filled, passed over\n" in text
        assert f"python tools/export_segformer.py --fill engines/{name}" in text
    assert main(["doctor", "--json", f"engines/{NAMES[0]}"]) == 1
    [found] = json.loads(capsys.readouterr().out)["families"]
    assert found["filled"] is False
    assert "not filled yet" in found["problems"][0]
