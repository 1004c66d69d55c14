"""Rows, tables and verdicts of results that are made up by hand."""

import math

import pytest

from edgert.evaluation.outcome import Outcome
from edgert.evaluation.results import ORACLE, ResultLine, RunKey
from edgert.evaluation.table import markdown_from_rows, mean_of, rows_of
from edgert.evaluation.targets import markdown_from_verdicts, verdicts_of


def outcome(accuracy=0.7, **values):
    plain = {
        "accuracy": accuracy, "miss_ratio": 0.002, "skipped_ratio": 0.0, "unpowered_ratio": 0.0,
        "hot_s": 0.0, "hot_k_s": 0.0, "hottest_c": 60.0, "broken_window_ratio": 0.0,
        "energy_j": 900.0, "overdrawn_j": 0.0, "frame_j": 0.2, "switches_per_min": 12.0,
        "throttled_s": 0.0, "decide_p50_s": 1e-5, "decide_p99_s": 2e-5, "shares": {},
    }  # fmt: skip
    return Outcome(**{**plain, **values})


def line(controller, seed, accuracy, *, scenario="both", variant="nominal", **values):
    key = RunKey(controller=controller, scenario=scenario, variant=variant, seed=seed,
                 family="wide", duration_s=900, code="c")  # fmt: skip
    if controller == ORACLE:
        return ResultLine(key=key, oracle=accuracy)
    return ResultLine(key=key, outcome=outcome(accuracy, **values))


LINES = [
    line("alert", 1, 0.60),
    line("alert", 2, 0.70),
    line("predictive", 1, 0.72, hot_s=0.0, miss_ratio=0.004),
    line("predictive", 2, 0.77, hot_s=0.0, miss_ratio=0.008),
    line(ORACLE, 1, 0.75),
    line(ORACLE, 2, 0.80),
]


def test_share_is_taken_per_seed_and_then_averaged():
    rows = {row.controller: row for row in rows_of(LINES)}
    assert set(rows) == {"alert", "predictive"}
    assert rows["alert"].share.value == pytest.approx((0.6 / 0.75 + 0.7 / 0.8) / 2)
    assert rows["alert"].seeds == 2
    assert rows["predictive"].means["miss_ratio"].value == pytest.approx(0.006)
    assert rows["predictive"].worst["miss_ratio"] == 0.008


def test_error_is_the_standard_error_of_the_mean():
    mean = mean_of([1.0, 2.0, 3.0, 6.0])
    assert mean.value == 3.0
    assert mean.error == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 3) / 2)
    assert mean_of([5.0]) == (5.0, 0.0)


def test_without_an_oracle_there_is_no_share_and_the_column_is_empty():
    rows = rows_of(LINES[:4])
    assert all(row.share is None for row in rows)
    assert "|  |" in markdown_from_rows(rows)


def test_oracle_serves_every_variant_of_its_scenario_only():
    others = [line("alert", 1, 0.6, variant="wrong"), line("alert", 1, 0.6, scenario="power")]
    lines = [*LINES, *others]
    shares = {(row.scenario, row.variant): row.share for row in rows_of(lines)
              if row.controller == "alert"}  # fmt: skip
    assert shares["both", "wrong"].value == pytest.approx(0.8)
    assert shares["power", "nominal"] is None


def test_table_has_a_part_for_each_scenario_and_variant_best_first():
    lines = [*LINES, line("alert", 1, 0.6, variant="wrong")]
    text = markdown_from_rows(rows_of(lines), note="Simulated.")
    assert text.startswith("Simulated.\n\n### both, nominal\n\n| controller | accuracy |")
    assert text.index("`predictive`") < text.index("`alert`") < text.index("### both, wrong")
    assert "| 96.1% ± 0.1 | 0.60% |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def verdicts(**values):
    lines = [*LINES[:2], *LINES[4:], line("predictive", 1, 0.72, **values),
             line("predictive", 2, 0.77)]  # fmt: skip
    return {each.words: each for each in verdicts_of(rows_of(lines))}


def test_targets_that_are_met():
    found = verdicts()
    assert len(found) == 7
    assert all(verdict.met for verdict in found.values())
    assert found["points over alert"].value == pytest.approx(12.38, abs=0.01)
    assert found["% of the oracle"].target == 95


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hot_s": 0.05}, "s over temp, worst day"),
        ({"miss_ratio": 0.02}, "% misses"),
        ({"broken_window_ratio": 0.01}, "% of windows broken"),
        ({"switches_per_min": 90.0}, "switches a minute"),
        ({"decide_p99_s": 1e-3}, "µs a decision, p99"),
    ],
)
def test_targets_that_are_missed_say_by_how_much(values, words):
    found = verdicts(**values)
    assert [name for name, verdict in found.items() if not verdict.met] == [words]
    text = markdown_from_verdicts(list(found.values()))
    assert text.count("**") == 2
    assert text.count(", off by ") == 1
    assert text.splitlines()[0].count("|") == text.splitlines()[2].count("|") == len(found) + 3


def test_targets_are_asked_for_where_the_scenario_has_the_limit():
    def words(scenario):
        rows = rows_of([line("predictive", 1, 0.7, scenario=scenario)])
        return {each.words.partition(",")[0] for each in verdicts_of(rows)}

    always = {"% misses", "switches a minute", "µs a decision"}
    assert words("deadline") == always
    assert words("thermal") == always | {"s over temp"}
    assert words("power") == always | {"% of windows broken"}
    assert words("energy") == always | {"J overdrawn"}
    assert words("trace-x") == always | {"s over temp", "% of windows broken", "J overdrawn"}


def test_all_met_says_so():
    assert markdown_from_verdicts(list(verdicts().values())).endswith("Every target is met.\n")


def test_no_controller_no_verdict_and_no_rival_no_lead():
    assert verdicts_of(rows_of(LINES[:2])) == []
    assert all("points" not in each.words for each in verdicts_of(rows_of(LINES[2:])))
