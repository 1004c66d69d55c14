"""Many days: nothing is run twice, nothing that was cut off counts, and strangers are refused."""

import msgspec
import pytest

from edgert.artifacts.trace import write_trace
from edgert.errors import ArtifactError, SettingsError
from edgert.evaluation import campaign as campaign_module
from edgert.evaluation.campaign import (
    NOMINAL,
    Campaign,
    Unit,
    keys_of,
    missing_units,
    open_day,
    run_campaign,
    run_unit,
)
from edgert.evaluation.day import make_day
from edgert.evaluation.results import ORACLE, ResultLine, Results, RunKey, code_stamp
from edgert.evaluation.run import BEST_STATIC
from edgert.evaluation.trace_day import points_from_day


def small(**values):
    plain = {
        "controllers": ["fixed-cheapest", "ladder"],
        "scenarios": ["power", "deadline"],
        "variants": ["nominal", "wrong"],
        "seeds": [0, 1],
        "duration_s": 2,
    }
    return Campaign(**{**plain, **values})


def key(**values):
    plain = {"controller": "ladder", "scenario": "power", "variant": "nominal", "seed": 1,
             "family": "wide", "duration_s": 2, "code": "abc"}  # fmt: skip
    return RunKey(**{**plain, **values})


def finished(path, campaign=None, **values):
    """The results in a file after a campaign, and how many days had to be run."""
    days = []
    with Results(path) as results:
        run_campaign(campaign or small(), results, jobs=1,
                     on_unit=lambda done, of: days.append(of), **values)  # fmt: skip
        return dict(results.lines), len(days)


def test_every_controller_runs_on_every_day_of_every_variant(tmp_path):
    lines, days = finished(tmp_path / "r.jsonl")
    assert (len(lines), days) == (2 * 2 * 2 * 2, 8)
    written = (tmp_path / "r.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=ResultLine) for line in written] == [*lines.values()]


def test_what_is_there_is_not_run_again(tmp_path):
    path = tmp_path / "r.jsonl"
    first, _ = finished(path)
    content = path.read_bytes()
    again, days = finished(path)
    assert (again, days) == (first, 0)
    assert path.read_bytes() == content


def test_a_cut_line_is_run_again_and_nothing_else(tmp_path):
    path = tmp_path / "r.jsonl"
    whole, _ = finished(path)
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    again, days = finished(path)
    assert days == 1
    assert set(again) == set(whole)
    lost = [each for each in whole if whole[each].outcome.accuracy != again[each].outcome.accuracy]
    assert not lost
    assert path.read_bytes().endswith(b"}\n")


def test_more_seeds_and_controllers_add_to_a_file(tmp_path):
    path = tmp_path / "r.jsonl"
    finished(path)
    lines, days = finished(path, small(seeds=[0, 1, 2]))
    assert (len(lines), days) == (24, 4)
    lines, days = finished(path, small(controllers=["ladder", BEST_STATIC]))
    assert (len(lines), days) == (32, 8)


@pytest.mark.parametrize(
    "change",
    [{"code": "old"}, {"seed": 9}, {"family": "bundled"}, {"duration_s": 3}, {"variant": "wrong"},
     {"scenario": "both"}, {"controller": "pi"}],
)  # fmt: skip
def test_a_line_counts_only_where_all_of_its_key_matches(change):
    campaign = small(controllers=["ladder"], scenarios=["power"], variants=["nominal"], seeds=[1])
    matching = next(iter(keys_of(campaign)))[0]
    assert missing_units(campaign, [matching]) == []
    other = msgspec.structs.replace(matching, **change)
    assert missing_units(campaign, [other]) == [Unit([matching])]


def test_processes_give_the_results_of_one(tmp_path):
    alone, _ = finished(tmp_path / "a.jsonl", small(scenarios=["power"]))
    with Results(tmp_path / "b.jsonl") as results:
        run_campaign(small(scenarios=["power"]), results, jobs=2)
        shared = dict(results.lines)
    accuracies = [{each: line.outcome.accuracy for each, line in lines.items()}
                  for lines in (alone, shared)]  # fmt: skip
    assert accuracies[0] == accuracies[1]


def test_oracle_is_asked_once_for_all_variants():
    keys = [each for keys in keys_of(small(controllers=["ladder", ORACLE])) for each in keys]
    oracles = [each for each in keys if each.controller == ORACLE]
    assert len(oracles) == len(set(oracles)) == 4
    assert {each.variant for each in oracles} == {NOMINAL}


def test_oracles_score_becomes_a_line(monkeypatch):
    class Oracle:
        @staticmethod
        def score(day, profile):
            assert day.scenario == "power"
            return type("Result", (), {"accuracy": 0.7 + len(profile.entries) / 1000})

    monkeypatch.setattr(campaign_module.importlib, "import_module", lambda name: Oracle)
    lines = run_unit(Unit([key(controller=ORACLE)]))
    assert lines == [ResultLine(key=key(controller=ORACLE), oracle=0.708)]


def test_code_stamp_of_the_oracle_does_not_depend_on_controllers():
    assert code_stamp("ladder") == code_stamp("alert") == code_stamp("ladder")
    assert code_stamp(ORACLE) != code_stamp("ladder")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"controllers": ["magic"]}, "choose a controller to evaluate"),
        ({"scenarios": ["night"]}, "choose a scenario"),
        ({"variants": ["perfect"]}, "choose a variant"),
        ({"family": "tall"}, "choose a family to simulate"),
    ],
)
def test_unknown_names_are_refused_before_anything_runs(tmp_path, change, words):
    with pytest.raises(SettingsError, match=words):
        finished(tmp_path / "r.jsonl", small(**change))
    assert (tmp_path / "r.jsonl").read_bytes() == b""


def test_recorded_day_runs_beside_the_others(tmp_path):
    path = tmp_path / "day.jsonl"
    write_trace(path, points_from_day(make_day("power", 3, duration_s=4)))
    campaign = small(scenarios=["mine"], variants=["nominal"], traces={"mine": str(path)})
    lines, days = finished(tmp_path / "r.jsonl", campaign)
    assert (len(lines), days) == (4, 2)
    day = open_day(next(iter(lines)), str(path))
    assert (day.scenario, day.duration_s) == ("mine", 4)
    assert day.power_limit_w == make_day("power", 3, duration_s=4).power_limit_w


def test_missing_trace_is_one_line(tmp_path):
    campaign = small(scenarios=["mine"], traces={"mine": str(tmp_path / "none.jsonl")})
    with pytest.raises(ArtifactError, match=r"none\.jsonl: expected a trace"):
        finished(tmp_path / "r.jsonl", campaign)


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", "line 2: expected a result in JSON, got JSON is malformed"),
        (b"\xff\xfe", "line 2: expected a result in JSON"),
        (b"{}", "line 2: expected a result in JSON, got Object missing required field"),
        (msgspec.json.encode({"key": msgspec.to_builtins(key())}), "either an outcome or an"),
    ],
)
def test_damaged_line_is_told_with_its_number(tmp_path, line, words):
    path = tmp_path / "r.jsonl"
    good = msgspec.json.encode(ResultLine(key=key(), oracle=0.5))
    path.write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    with pytest.raises(ArtifactError, match=words) as caught:
        Results(path)
    assert "\n" not in str(caught.value)


def test_file_that_is_a_folder_is_one_line(tmp_path):
    with pytest.raises(ArtifactError, match="expected a file for results, got is a directory"):
        Results(tmp_path)
