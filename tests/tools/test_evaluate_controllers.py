"""tools/evaluate_controllers.py from its command line."""

import signal
import subprocess
import sys

import evaluate_controllers
import msgspec
import pytest

from edgert.artifacts.trace import write_trace
from edgert.evaluation.day import make_day
from edgert.evaluation.results import ResultLine, Results
from edgert.evaluation.trace_day import points_from_day

TINY = ["--quick", "--duration", "3", "--jobs", "1", "--scenarios", "both,power"]


@pytest.fixture(autouse=True)
def without_oracle(monkeypatch):
    """Its linear program has tests of its own."""
    monkeypatch.setattr(evaluate_controllers, "has_oracle", lambda: False)


def call(tmp_path, *arguments):
    return evaluate_controllers.main([*TINY, "--output", str(tmp_path / "r.jsonl"), *arguments])


def results(tmp_path):
    lines = (tmp_path / "r.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=ResultLine) for line in lines]


def test_quick_run_leaves_results_a_table_and_pictures(tmp_path, capsys):
    table, plots = tmp_path / "out.md", tmp_path / "plots"
    names = "--controllers=ladder,fixed-dearest,best-static"
    assert call(tmp_path, names, f"--table={table}", f"--plots={plots}") == 0
    shown = capsys.readouterr()
    assert shown.out == table.read_text(encoding="utf-8")
    assert shown.out.startswith("Simulated, no device: family wide, seeds 0 to 1 (2), days of 3 s")
    for words in ("### both, nominal", "### power, wrong", "| `ladder` |", "| `best-static` |"):
        assert words in shown.out
    assert "8 of 8 days" in shown.err
    assert "no oracle" in shown.err
    assert len(results(tmp_path)) == 2 * 2 * 2 * 3
    assert [path.name for path in plots.iterdir()] == ["day-both-0.png"]


def test_second_call_runs_nothing_and_tells_the_same(tmp_path, capsys):
    assert call(tmp_path, "--controllers", "ladder") == 0
    first, content = capsys.readouterr().out, (tmp_path / "r.jsonl").read_bytes()
    assert call(tmp_path, "--controllers", "ladder") == 0
    again = capsys.readouterr()
    assert again.out == first
    assert "days" not in again.err
    assert (tmp_path / "r.jsonl").read_bytes() == content


def test_all_registered_controllers_run_by_default(tmp_path, capsys):
    assert call(tmp_path, "--seeds", "5", "--variants", "nominal", "--family", "bundled") == 0
    names = {line.key.controller for line in results(tmp_path)}
    assert names == {*evaluate_controllers.CONTROLLERS, evaluate_controllers.BEST_STATIC}
    assert {line.key.seed for line in results(tmp_path)} == {5}
    assert "family bundled, seeds 5 to 5 (1)" in capsys.readouterr().out


def test_recorded_day_takes_the_scenarios_place(tmp_path, capsys):
    path = tmp_path / "monday.jsonl"
    write_trace(path, points_from_day(make_day("power", 1, duration_s=3)))
    assert call(tmp_path, "--controllers", "ladder", "--trace", str(path)) == 0
    assert "### trace-monday-" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--controllers", "magic"], "evaluate_controllers: choose a controller to evaluate: "),
        (["--scenarios", "night"], "evaluate_controllers: choose a scenario: "),
        (["--variants", "odd"], "evaluate_controllers: choose a variant: "),
        (["--trace", "/nowhere/t.jsonl"], "evaluate_controllers: read /nowhere/t.jsonl: "),
    ],
)
def test_what_there_is_not_is_one_line(tmp_path, capsys, arguments, words):
    assert call(tmp_path, *arguments) == 1
    err = capsys.readouterr().err.strip().splitlines()
    assert err[-1].startswith(words)
    assert len(err) <= 2


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--seeds", "9:3", "expected FROM:TO or numbers with commas, got '9:3'"),
        ("--seeds", "a", "expected FROM:TO"),
        ("--seeds", "-3:2", "expected FROM:TO"),
        ("--duration", "0", "expected a whole number of 1 or more, got '0'"),
        ("--jobs", "two", "expected a whole number"),
        ("--family", "tall", "invalid choice: 'tall'"),
    ],
)
def test_wrong_values_are_usage_errors(tmp_path, capsys, option, value, words):
    with pytest.raises(SystemExit) as caught:
        call(tmp_path, f"{option}={value}")
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_seeds_are_a_range_or_a_list():
    parse = evaluate_controllers._parser().parse_args
    assert parse(["--seeds", "100:140"]).seeds == list(range(100, 140))
    assert parse(["--seeds", "3,1"]).seeds == [3, 1]
    assert parse([]).seeds is None


def test_damaged_trace_and_results_are_one_line(tmp_path, capsys):
    path = tmp_path / "t.jsonl"
    path.write_text('{"time_s": 0}\n{"time_s": 2, "wind": 3}\n', encoding="utf-8")
    assert call(tmp_path, "--trace", str(path)) == 1
    assert f"read {path} line 2: expected a TracePoint" in capsys.readouterr().err
    path.write_text('{"time_s": 0}\n{"time_s": 0.5}\n', encoding="utf-8")
    assert call(tmp_path, "--jobs", "2", "--trace", str(path)) == 1
    assert "expected a trace of 1 to 86400 s, got 0.5 s" in capsys.readouterr().err
    (tmp_path / "r.jsonl").write_text("a diary\n", encoding="utf-8")
    assert call(tmp_path, "--controllers", "ladder") == 1
    assert "line 1: expected a result in JSON" in capsys.readouterr().err


def test_targets_are_told_where_the_controller_ran(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(
        evaluate_controllers.CONTROLLERS,
        "predictive",
        "edgert.control.baselines.ladder:HysteresisLadder",
    )
    assert call(tmp_path, "--controllers", "predictive,fixed-cheapest") == 0
    shown = capsys.readouterr().out
    assert "### targets" in shown
    assert "% misses (0.5)" in shown.partition("### targets")[2]
    assert call(tmp_path, "--controllers", "fixed-cheapest") == 0
    assert "### targets" not in capsys.readouterr().out


@pytest.mark.slow
def test_interrupted_run_ends_at_once_and_goes_on_later(tmp_path):
    output = tmp_path / "r.jsonl"
    options = ["--controllers", "ladder", "--jobs", "2", "--scenarios", "both", "--seeds", "0:400"]
    command = [sys.executable, evaluate_controllers.__file__, *options, "--output", str(output)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while not (output.exists() and output.read_bytes().count(b"\n") > 3):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.decode().strip().splitlines()[-1].endswith("interrupted; what is done is kept")
    assert b"Traceback" not in err
    kept = output.read_bytes().count(b"\n")
    assert 3 < kept < 800
    with Results(output) as results:
        assert len(results.lines) >= kept - 1
