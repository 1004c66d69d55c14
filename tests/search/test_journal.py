"""A journal outlives a kill at any byte."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import ArtifactError
from edgert.search.journal import Journal
from tests.artifacts.full_disk import file_size_limit

IDENTITY = {"base model": "a" * 64, "cost": "macs"}


def records(path: Path, identity=IDENTITY) -> list[dict]:
    with Journal(path, identity) as journal:
        return journal.records


def test_what_was_appended_is_there_again(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, IDENTITY) as journal:
        journal.append({"kind": "trial", "key": "a", "elapsed_s": 1.5})
        journal.append({"kind": "cost", "key": "ä", "elapsed_s": 2.5})
        assert path.read_bytes().count(b"\n") == 3  # on the disk before the file is closed
    with Journal(path, IDENTITY) as journal:
        assert [r["key"] for r in journal.of_kind("cost")] == ["ä"]
        assert journal.elapsed_s == 2.5


@given(st.integers(0, 200))
def test_a_file_cut_off_anywhere_keeps_its_whole_lines(tmp_path_factory, cut: int):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(path, IDENTITY) as journal:
        for key in "abc":
            journal.append({"kind": "trial", "key": key})
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    left = whole[: max(header, len(whole) - cut)]
    path.write_bytes(left)
    expected = left.count(b"\n")
    with Journal(path, IDENTITY) as journal:
        assert len(journal.records) == expected
        journal.append({"kind": "trial", "key": "new"})
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(lines) == expected + 1
    assert lines[-1]["key"] == "new"


def test_a_header_that_was_cut_off_is_written_again(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"kind":"header","for')
    assert [r["kind"] for r in records(path)] == ["header"]
    assert records(path)[0]["identity"] == IDENTITY


@pytest.mark.parametrize("line", [b"{torn\n", b"[1]\n", b"\xff\n"])
def test_damage_inside_is_told_with_its_line(tmp_path: Path, line: bytes):
    path = tmp_path / "journal.jsonl"
    records(path)
    with path.open("ab") as file:
        file.write(line + b'{"kind":"trial","key":"a"}\n')
    with pytest.raises(ArtifactError, match=r"journal\.jsonl line 2: expected a JSON object"):
        records(path)


def test_another_start_is_refused_and_every_change_is_named(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    records(path)
    changed = {"base model": "b" * 64, "seed": "1"}
    with pytest.raises(ArtifactError) as refused:
        records(path, changed)
    line = str(refused.value)
    assert "base model bbbbbbbbbbbb… instead of aaaaaaaaaaaa…" in line
    assert "cost none instead of macs" in line
    assert "seed 1 instead of none" in line
    assert "--restart" in line
    assert "\n" not in line
    assert records(path)  # and the journal is untouched


def test_a_file_that_is_no_journal_is_not_gone_on_with(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"some":"thing"}\n')
    with pytest.raises(ArtifactError, match="expected what it was started with"):
        records(path)


def test_two_searches_do_not_share_a_folder(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, IDENTITY), pytest.raises(ArtifactError, match="no other search using it"):
        Journal(path, IDENTITY)
    records(path)


def test_a_full_disk_is_one_line(tmp_path: Path):
    with Journal(tmp_path / "journal.jsonl", IDENTITY) as journal:
        with (
            file_size_limit(journal.path.stat().st_size + 10),
            pytest.raises(ArtifactError, match="expected room on the disk, got file too"),
        ):
            journal.append({"kind": "trial", "key": "a" * 100})
        assert len(journal.records) == 1
