"""What a result follows from, and what a results file does with lines."""

from pathlib import Path

import msgspec
import pytest

from edgert.errors import ArtifactError
from edgert.evaluation.results import ORACLE, ResultLine, Results, RunKey, code_stamp
from tests.evaluation.test_table import outcome

KEY = RunKey(
    controller="ladder", scenario="power", variant="nominal", seed=1, family="wide",
    duration_s=900, code="abc",
)  # fmt: skip


@pytest.fixture
def package(tmp_path) -> Path:
    for name in ("evaluation/plant.py", "evaluation/table.py", "control/a.py", "control/b/c.py",
                 "emulator/thermal.py", "records/runs.py", "video/sink.py"):  # fmt: skip
        file = tmp_path / "edgert" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path / "edgert"


def stamps(package: Path) -> tuple[str, str]:
    return code_stamp("ladder", package), code_stamp(ORACLE, package)


@pytest.mark.parametrize(
    ("file", "controllers_change", "oracle_changes"),
    [
        ("evaluation/plant.py", True, True),
        ("emulator/thermal.py", True, True),
        ("records/runs.py", True, True),
        ("control/a.py", True, False),
        ("control/b/c.py", True, False),
        ("evaluation/table.py", False, False),
        ("video/sink.py", False, False),
    ],
)
def test_stamp_changes_with_what_a_result_follows_from(
    package, file, controllers_change, oracle_changes
):
    before = stamps(package)
    (package / file).write_text("# changed\n", encoding="utf-8")
    after = stamps(package)
    changed = tuple(one != other for one, other in zip(before, after, strict=True))
    assert changed == (controllers_change, oracle_changes)


def test_stamp_changes_with_a_new_and_a_renamed_file(package):
    before = stamps(package)
    (package / "control" / "new.py").write_text("", encoding="utf-8")
    added = stamps(package)
    (package / "control" / "new.py").rename(package / "control" / "other.py")
    renamed = stamps(package)
    assert len({before[0], added[0], renamed[0]}) == 3
    assert before[1] == added[1] == renamed[1]


def test_lines_are_there_for_the_next_who_opens_the_file(tmp_path):
    path = tmp_path / "folder" / "r.jsonl"
    first = ResultLine(key=KEY, outcome=outcome(0.7))
    with Results(path) as results:
        results.add(first)
        assert path.read_bytes().count(b"\n") == 1  # at once, not when it is closed
    with Results(path) as results:
        assert results.lines == {KEY: first}
        results.add(ResultLine(key=msgspec.structs.replace(KEY, seed=2), oracle=0.8))
    with Results(path) as results:
        assert [key.seed for key in results.lines] == [1, 2]


def test_of_two_lines_of_a_run_the_later_one_counts(tmp_path):
    path = tmp_path / "r.jsonl"
    with Results(path) as results:
        for accuracy in (0.5, 0.6):
            results.add(ResultLine(key=KEY, outcome=outcome(accuracy)))
    with Results(path) as results:
        assert results.lines[KEY].outcome.accuracy == 0.6


@pytest.mark.parametrize("cut", [1, 5, 200])
def test_a_cut_last_line_is_removed_before_anything_is_added(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    lines = [
        ResultLine(key=msgspec.structs.replace(KEY, seed=seed), oracle=0.5) for seed in (1, 2)
    ]
    whole = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    path.write_bytes(whole[:-cut] if cut < 200 else whole[: len(whole) // 2 + 3])
    with Results(path) as results:
        assert list(results.lines.values()) == lines[:1]
        results.add(lines[1])
    assert path.read_bytes() == whole


def test_a_file_of_a_cut_line_only_starts_anew(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"key":{"contr')
    with Results(path) as results:
        assert results.lines == {}
    assert path.read_bytes() == b""


def test_damaged_file_is_left_as_it_is(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"not ours\nat all\n")
    with pytest.raises(ArtifactError, match="line 1"):
        Results(path)
    assert path.read_bytes() == b"not ours\nat all\n"


@pytest.mark.parametrize("values", [{}, {"outcome": outcome(0.7), "oracle": 0.8}])
def test_line_is_either_an_outcome_or_an_oracles(values):
    with pytest.raises(ValueError, match="either an outcome or an oracle"):
        ResultLine(key=KEY, **values)
