"""Every metric and label that the fleet's files name is in /metrics."""

import re

import pytest

from edgert.daemon.status import metric_from
from tests.fleet.expressions import (
    ALERTS,
    expressions,
    grouped_by,
    rules,
    shown,
    used,
    wrong_names,
)


def test_everything_named_is_shown() -> None:
    assert not wrong_names(expressions(), shown())


def test_files_name_enough_to_be_looked_at() -> None:
    names = {name for _, expression in expressions() for name, _ in used(expression)}
    assert len(names) > 30
    assert len(rules()) >= 15


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("edgert_power_wats > 3", "x: no metric edgert_power_wats"),
        ('sum(edgert_power_watts{rial="module"})', "x: no label rial of edgert_power_watts"),
        ("sum by (confguration) (edgert_frames_total)", "x: no label confguration"),
        ("edgert_frames", "x: no metric edgert_frames"),
    ],
)
def test_wrong_name_is_found(expression: str, said: str) -> None:
    assert wrong_names(iter([("x", expression)]), shown()) == [said]


def test_label_lists_are_read_without_texts() -> None:
    expression = 'sum by (a, b) (x{y=~"by (c)"}) / on (d) group_left () z'
    assert grouped_by(expression) == {"a", "b", "d"}


def test_labels_in_annotations_are_left_by_the_expression() -> None:
    labels = shown()
    for rule in rules():
        text = " ".join(rule["annotations"].values())
        wanted = set(re.findall(r"\$labels\.(\w+)", text)) - {"instance"}
        first, _ = next(used(rule["expr"]), ("up", set()))
        assert wanted <= labels.get(first, set()) | {"job"}, rule["alert"]
        by = re.match(r"\s*(?:sum|max|count) by \(([^)]*)\)", rule["expr"])
        assert not by or wanted <= set(by[1].replace(",", " ").split()), rule["alert"]


@pytest.mark.parametrize(
    ("accuracy_from", "metric", "is_agreement"),
    [
        ("agreement with full", "agreement with full", True),
        ("agreement with full, 40 frames", "agreement with full", True),
        ("mIoU on 101 frames of CamVid val", "mIoU", False),
        ("mIoU measured on 5 labelled frames", "mIoU", False),
        ("top-1 on 500 frames of X, measured elsewhere", "top-1", False),
        ("", "", False),
    ],
)
def test_the_alert_on_agreement_knows_what_a_profile_holds(
    accuracy_from: str, metric: str, is_agreement: bool
) -> None:
    assert metric_from(accuracy_from) == metric
    [rule] = [one for one in rules() if one["alert"] == "EdgertAgreementBelowProfile"]
    [pattern] = re.findall(r'metric=~"([^"]+)"', rule["expr"])
    assert bool(re.fullmatch(pattern, metric)) == is_agreement


def test_alerts_say_how_bad_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert "$labels.instance" in rule["annotations"]["summary"], rule["alert"]
        assert rule["annotations"]["description"].rstrip()[-1] in ".?", rule["alert"]
    assert ALERTS.read_text(encoding="utf-8").count("alert:") == len(rules())
