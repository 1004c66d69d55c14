"""The committed families and the tables of their cards are what the tool writes."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import load_family, save_family
from edgert.families.segformer_ade20k import FAMILIES, b2_family

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

PROJECT = Path(__file__).resolve().parents[2]
TOOL = PROJECT / "tools" / "export_segformer_families.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| `") and "MACs" not in line]


@pytest.mark.slow
def test_the_cards_have_the_tables_that_are_counted_on_transformers_models(tmp_path):
    done = run(str(tmp_path), "--macs")
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("\nsegformer-")
    for name, table in zip(FAMILIES, tables[1:], strict=True):
        committed = (PROJECT / "engines" / name / "README.md").read_text(encoding="utf-8")
        counted = rows_of(table)
        assert f"segformer-{table}".startswith(name)
        assert len(counted) == len(FAMILIES[name]().configurations)
        start = committed.index(counted[0])
        assert committed[start:].startswith("\n".join(counted)), name


def test_families_are_written_new_or_again(tmp_path):
    for _ in range(2):
        done = run(str(tmp_path))
        assert done.returncode == 0, done.stderr
        for name, make in FAMILIES.items():
            assert f"wrote {tmp_path / name / 'family.yaml'}" in done.stdout
            assert load_family(tmp_path / name, verify=False).family == make()


def test_one_that_is_filled_is_left_alone(tmp_path):
    made = b2_family()
    filled = msgspec.structs.replace(
        made, base=msgspec.structs.replace(made.base, sha256="0" * 64, weights=None)
    )
    (tmp_path / made.name).mkdir()
    save_family(tmp_path / made.name / "family.yaml", filled)
    done = run(str(tmp_path))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "got one that is filled" in line
    assert load_family(tmp_path / made.name, verify=False).family == filled
