"""Every stage of the check, on the healthy pair and on every broken graph of the set."""

from collections import Counter
from pathlib import Path

import pytest

from edgert.build.check import check_graph
from edgert.build.finding import STAGES
from edgert.build.regression import LatencyRatio
from edgert.build.stages import GraphReport, Parent
from edgert.errors import VerificationError
from tests.build.broken_graphs import BROKEN, Broken, write_broken, write_healthy_pair

NAMES = [fault.name for fault in BROKEN]


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    return write_healthy_pair(tmp_path_factory.mktemp("healthy"))


@pytest.fixture(scope="module")
def reports(pair, tmp_path_factory):
    """Checks each broken graph when it is first asked for."""
    parent, derived = pair
    known: dict[str, GraphReport] = {}

    def report_of(fault: Broken) -> GraphReport:
        if fault.name not in known:
            path = write_broken(fault, derived, tmp_path_factory.mktemp("broken"))
            slow = fault.name == "slower_than_the_parent"
            known[fault.name] = check_graph(
                path, parent=Parent(parent, lossless=True), measure=twice if slow else as_fast
            )
        return known[fault.name]

    return report_of


def as_fast(run_derived, run_parent) -> LatencyRatio:
    run_derived(), run_parent()
    return LatencyRatio(0.010, 0.010, 1.0, 0.9, 1.1)


def twice(run_derived, run_parent) -> LatencyRatio:
    return LatencyRatio(0.020, 0.010, 2.0, 1.8, 2.2)


# ---------------------------------------------------------------- the set


def test_the_healthy_graph_passes_every_stage(pair):
    parent, derived = pair
    report = check_graph(derived, parent=Parent(parent, lossless=True), measure=as_fast)
    assert report.findings == []
    assert report.stages == list(STAGES)
    assert report.inputs == 9
    assert report.optimised is not None
    assert report.parent is not None
    assert 0 <= report.optimised.relative < 1e-5
    assert 0 < report.parent.relative < 1e-5  # merged weights round otherwise
    report.refuse_errors("check it")
    alone = check_graph(parent)
    assert alone.findings == []
    assert alone.stages == list(STAGES[:6])


@pytest.mark.parametrize("fault", BROKEN, ids=NAMES)
def test_a_broken_graph_is_caught_at_its_stage(reports, fault):
    report = reports(fault)
    first = report.errors[0]
    assert first.stage == fault.stage == report.stages[-1], first
    with pytest.raises(VerificationError) as caught:
        report.refuse_errors("check it")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"check it, {fault.stage}")


def test_all_broken_graphs_are_caught_and_this_many_at_each_stage(reports):
    caught = Counter(reports(fault).errors[0].stage for fault in BROKEN)
    assert len(set(NAMES)) == len(BROKEN) == sum(caught.values()) == 63
    assert caught == {
        "format": 14, "operators": 3, "shapes": 16, "run": 4, "optimisation": 1, "parent": 19,
        "cost": 6}  # fmt: skip
    assert Counter(fault.cause for fault in BROKEN) == {
        "incompatibility": 7, "type problem": 8, "shape problem": 10, "algorithmic error": 14,
        "graph optimisation": 5, "API misuse": 10, "bad performance": 6}  # fmt: skip
