"""What shadow runs showed, on the report's page, from the log alone."""

import msgspec
import pytest

from edgert.records import FrameLog, ShadowOutcome
from edgert.report.agreement_table import agreement_section, agreements_from_run
from tests.report.test_page import PROFILE, Nesting, run, text_of, written


def looked_at(shares, name="small", **outcome):
    return [
        FrameLog(
            frame=k, time_s=k * 0.1, configuration=name, reason="r", latency_s=0.04,
            shadow=ShadowOutcome(latency_s=0.08, agreement=share, **outcome),
        )
        for k, share in enumerate(shares)
    ]  # fmt: skip


def test_each_configuration_has_mean_interval_and_the_stored_figure(tmp_path):
    frames = [*run(100), *looked_at([0.81, 0.79] * 20)]
    page = written(tmp_path, frames)
    text = text_of(page)
    assert "Agreement with the full configuration" in text
    assert "80.00%" in text
    assert "60.00%" in text  # in the profile
    assert "higher than in the profile" in text
    assert "ran on 40 of 138 served frames" in text
    assert "3.2 s in all" in text
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ([0.5, 0.52] * 30, "lower than in the profile"),
        ([0.7, 0.72] * 30, "higher than in the profile"),
        ([0.5, 0.7] * 30, "as in the profile"),
        ([0.5], "as in the profile"),  # one frame tells nothing
    ],
)
def test_a_verdict_needs_the_stored_figure_outside_of_the_interval(shares, verdict):
    assert verdict in agreement_section(looked_at(shares), PROFILE)


def test_a_run_without_shadow_runs_has_no_such_section(tmp_path):
    assert agreement_section(run(50), PROFILE) == ""
    assert "Agreement with the full" not in written(tmp_path, run(50))


def test_failures_are_told_and_count_for_nothing():
    frames = looked_at([0.6] * 10) + looked_at([None] * 3, failure="no memory")
    assert agreements_from_run(frames)["small"].frames == 10
    assert "3 of these runs failed" in agreement_section(frames, PROFILE)
    only_failed = agreement_section(looked_at([None], failure="no memory"), PROFILE)
    assert "1 of these runs failed" in only_failed
    assert "<table" not in only_failed


def test_one_label_a_frame_is_an_interval_of_right_and_wrong():
    live = agreements_from_run(looked_at([1.0] * 10))["small"]
    assert live.mean == 1.0
    assert live.low < 0.8


def test_all_frames_of_a_run_weigh_the_same():
    live = agreements_from_run(looked_at([0.9] * 1000 + [0.5] * 1000))["small"]
    assert live.mean == pytest.approx(0.7)


def test_a_configuration_that_the_profile_lacks_is_shown_and_escaped():
    entries = [msgspec.structs.replace(e, agreement=None) for e in PROFILE.entries]
    bare = msgspec.structs.replace(PROFILE, entries=entries)
    section = agreement_section(looked_at([0.6, 0.7], name="<b>"), bare)
    assert "&lt;b&gt;" in section
    assert "<b>" not in section
    assert "n/a" in section
