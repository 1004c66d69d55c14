"""What else `edgert run` is given: thermal constants, a trace, a length."""

import json
from pathlib import Path

import pytest

from edgert.artifacts import read_run, save_thermal, thermal_path
from edgert.cli.main import main
from edgert.records import ThermalConstants
from tests.cli.runs import BOARD, profiled_family, run_words

CONSTANTS = ThermalConstants(
    die_j_per_k=1.5, sink_j_per_k=9.0, die_to_sink_k_per_w=0.8, sink_to_ambient_k_per_w=3.2,
    idle_w=3.5, board=BOARD.stem,
)  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    return profiled_family(tmp_path_factory.mktemp("given"))


@pytest.fixture
def here(workplace: Path, monkeypatch) -> Path:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    for file in workplace.glob("profiles/measured/*/thermal.json"):
        file.unlink()
    return workplace


def words(*more: str, controller: str = "predictive") -> list[str]:
    return run_words("--controller", controller, "--log", "d.jsonl", *more)


def errors(capsys) -> list[str]:
    return [e for e in capsys.readouterr().err.splitlines() if not e.startswith("run:")]


def test_a_limit_on_heat_without_constants_is_told_once_and_runs(here: Path, capsys):
    assert main(words()) == 0
    [line] = errors(capsys)
    assert line.startswith("no thermal constants at profiles/measured/")
    assert "edgert calibrate" in line
    header, _ = read_run(Path("d.jsonl"))
    assert (header.thermal, header.thermal_from) == (None, "")
    assert main(words(controller="ladder")) == 0
    assert errors(capsys) == []  # it has no use for them


def test_constants_beside_the_profile_are_found_and_the_log_has_them(here: Path, capsys):
    [profile] = here.glob("profiles/measured/*/tiny.json")
    device = profile.parent.name.split(".")[0]
    file = thermal_path(Path("profiles"), device, str(BOARD))
    save_thermal(file, CONSTANTS)
    assert main(words()) == 0
    assert errors(capsys) == []
    header, _ = read_run(Path("d.jsonl"))
    assert (header.thermal, header.thermal_from) == (CONSTANTS, str(file))


def test_constants_that_are_named_are_used_even_if_they_are_another_board_s(here: Path, capsys):
    save_thermal(Path("mine.json"), CONSTANTS)
    assert main(words("--thermal", "mine.json")) == 0
    assert errors(capsys) == []
    other = ThermalConstants(**{**json.loads(Path("mine.json").read_text()), "board": "another"})
    save_thermal(Path("other.json"), other)
    assert main(words("--thermal", "other.json")) == 0
    assert errors(capsys) == [f"other.json: board was another, is {BOARD.stem}: used all the same"]
    assert read_run(Path("d.jsonl"))[0].thermal == other


def test_constants_that_are_named_and_not_there_end_it(here: Path, capsys):
    assert main(words("--thermal", "none.json")) == 1
    assert "edgert calibrate" in capsys.readouterr().err


def test_a_run_lasts_as_long_as_it_is_told(here: Path, capsys):
    assert main(words("--max-s", "1.05", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["frames"] == 11


def test_a_slower_board_is_a_flag(here: Path, capsys):
    medians = []
    for scale in ("1", "1000"):
        assert main(words("--latency-scale", scale, "--json")) == 0
        medians.append(json.loads(capsys.readouterr().out)["summary"]["latency_median_s"])
    assert medians[1] > 100 * medians[0]


@pytest.mark.parametrize(
    ("line", "words_of_it"),
    [
        ('{"time_s": 0, "ambient": 3}', "line 1"),
        ('{"time_s": 5}\n{"time_s": 1}', "line 2"),
        ("", "empty"),
    ],
)
def test_a_damaged_trace_is_one_line(here: Path, capsys, line: str, words_of_it: str):
    Path("t.jsonl").write_text(line)
    assert main(words("--trace", "t.jsonl")) == 1
    [error] = errors(capsys)
    assert error.startswith("edgert run: read t.jsonl")
    assert words_of_it in error
