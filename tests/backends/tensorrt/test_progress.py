from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.tensorrt.progress import PARTS, Phases, Reporter, open_monitor
from tests.backends.tensorrt.fake_tensorrt import FakeIProgressMonitor

VENDOR = SimpleNamespace(IProgressMonitor=FakeIProgressMonitor)


def test_step_of_an_inner_phase_is_a_part_of_the_outer_ones():
    phases = Phases()
    phases.start("build", None, 2)
    phases.step("build", 0)
    assert phases.share("build") == 1 / 2
    phases.start("time", "build", 4)
    phases.step("time", 0)
    assert phases.share("time") == 1 / 2 + 1 / 8


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "step", "finish"]),
        st.sampled_from("abc"),
        st.sampled_from(["build", *"abc"]),
        st.integers(0, 9),
    )
)


@given(EVENTS)
def test_share_stays_in_range_and_never_goes_back(events):
    """In whatever order phases come, for their names and their order change with versions."""
    phases, open_names = Phases(), {"build"}
    phases.start("build", None, 3)
    reached = 0.0
    for event, name, parent, number in events:
        if event == "start":
            if parent not in open_names:
                continue  # that would be another outermost phase, which begins anew
            phases.start(name, parent, number)
            open_names.add(name)
        elif event == "step":
            phases.step(name, number)
        else:
            phases.finish(name)
            open_names.discard(name)
        share = phases.share(name)
        assert reached <= share <= 1
        reached = share


def test_share_stays_while_the_outermost_phase_lasts():
    phases = Phases()
    phases.start("build", None, 2)
    phases.start("time", "build", 2)
    phases.step("time", 1)
    before = phases.share("time")
    phases.finish("time")
    phases.start("time", "build", 10)  # again, for the next subgraph
    assert phases.share("time") == before
    phases.start("serialise", None, 5)
    assert phases.share("serialise") == 0


def test_reports_come_in_hundredths_with_the_phases_name():
    seen = []
    reporter = Reporter(lambda *report: seen.append(report))
    reporter.start("build", None, 4)
    assert reporter.step("build", 0)
    reporter.finish("build")
    assert seen == [(0, PARTS, "build"), (25, PARTS, "build")]


def test_stopped_build_is_told_so_and_reports_no_more():
    seen = []
    reporter = Reporter(lambda *report: seen.append(report))
    reporter.start("build", None, 4)
    reporter.stop()
    assert not reporter.step("build", 0)
    assert len(seen) == 1


@pytest.mark.parametrize("error", [ValueError("full disk"), KeyboardInterrupt()])
def test_what_the_callback_raises_stops_the_build_and_is_raised_later(error):
    def fail(*report):
        raise error

    reporter = Reporter(fail)
    reporter.start("build", None, 4)  # no exception into the vendor's code
    assert not reporter.step("build", 0)
    with pytest.raises(type(error)):
        reporter.raise_failure()


def test_monitor_without_a_callback_lets_the_build_go_on():
    monitor = open_monitor(VENDOR, None)
    monitor.phase_start("build", None, 1)
    assert monitor.step_complete("build", 0) is True
    monitor.phase_finish("build")
    monitor.raise_failure()
    monitor.stop()
    assert monitor.step_complete("build", 0) is False
