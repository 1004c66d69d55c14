"""jetson-stats as a source, with a program in its place that does what the real one was seen to.

The unmodified jetson-stats service runs against an emulated board in tests of their own.
"""

import importlib.util
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from edgert.clock import VirtualClock
from edgert.errors import MissingDependencyError, SourceUnavailableError
from edgert.telemetry.jtop import JtopSource, hung_after_s, stale_after_s
from tests.telemetry.trees import Tree

PROGRAM = Path(__file__).with_name("fake_jtop.py")


def sample(uptime_s, *, power_w=5.0, interval_s=0.1, **more):
    line = {"uptime_s": uptime_s, "interval_s": interval_s, "rails_w": {"VDD_IN": power_w}}
    return {"say": {"sample": line | more}}


def sample_now(power_w):
    return {"now": sample(0.0, power_w=power_w)["say"]}


HANG = {"hang": True}
DOWN = [{"say": {"error": "The jtop.service is not active.", "kind": "service"}}]


class Service:
    """The source with its program, and what a test needs to lead both."""

    def __init__(self, tmp_path, *starts):
        self.folder = tmp_path / "script"
        self.folder.mkdir()
        for number, steps in enumerate(starts, start=1):
            (self.folder / f"start-{number}.json").write_text(json.dumps(steps))
        self.tree = Tree(tmp_path / "tree")
        self.clock = VirtualClock(50.0)
        self.source = JtopSource(
            interval_s=0.1,
            root=self.tree.root,
            clock=self.clock,
            command=[
                sys.executable, "-S", str(PROGRAM), str(self.folder),
                str(self.tree.root / "proc/uptime"),
            ],
        )  # fmt: skip

    def let(self, name):
        (self.folder / name).touch()

    def pass_s(self, duration_s):
        """Time goes by on the machine: its clock and its uptime."""
        uptime_s = float((self.tree.root / "proc/uptime").read_text().split()[0])
        self.tree.uptime(uptime_s + duration_s)
        self.clock.sleep(duration_s)

    def until(self, condition):
        """The source's sample once it fulfils a condition; a process takes real time to speak."""
        pause = threading.Event()
        for _ in range(2000):
            sample = self.source.read()
            if condition(sample):
                return sample
            pause.wait(0.005)
        raise AssertionError(f"not in 10 s: {self.source.read()}")

    def until_started(self, times):
        """Let time go by until the program was started so often; returns how much went by."""
        pause, start_s = threading.Event(), self.clock.now_s()
        for _ in range(2000):
            if self.source.starts >= times:
                return self.clock.now_s() - start_s
            self.pass_s(0.1)
            pause.wait(0.06)  # the source looks at the clock every 0.05 s
        raise AssertionError(f"started {self.source.starts} times only")

    def until_power(self, power_w=None):
        return self.until(
            lambda s: s is not None and s.power_w is not None and power_w in {None, s.power_w}
        )

    def until_gap(self, words):
        return self.until(lambda s: s is not None and words in s.gaps.get("jtop", ""))


@pytest.fixture
def service(tmp_path):
    running = []

    def start(*starts):
        running.append(Service(tmp_path, *starts))
        return running[0]

    yield start
    for one in running:
        one.source.close()


def test_sample_has_the_moment_at_which_the_service_read_its_sensors(service):
    jtop = service([sample(999.75), HANG])
    got = jtop.until_power()
    assert got.time_s == pytest.approx(49.75)  # the tree's uptime is 1000.0 s
    assert got.age_s == pytest.approx(0.25)
    jtop.pass_s(0.5)
    assert jtop.source.read().age_s == pytest.approx(0.75)
    assert jtop.source.read().time_s == pytest.approx(49.75)


def test_nothing_was_said_yet_is_no_sample(service):
    jtop = service([{"wait": "go"}, sample(1000.0), HANG])
    assert jtop.source.read() is None
    jtop.let("go")
    assert jtop.until_power().source == "jtop"


def test_newer_sample_takes_the_place_of_the_older(service):
    jtop = service([sample(1000.0), {"wait": "go"}, sample(1000.1, power_w=9.0), HANG])
    jtop.until_power(5.0)
    jtop.pass_s(0.1)
    jtop.let("go")
    assert jtop.until_power(9.0).time_s == pytest.approx(50.1)


def test_old_sample_is_not_handed_out(service):
    jtop = service([sample(1000.0), HANG])
    jtop.until_power()
    jtop.pass_s(0.99)
    assert jtop.source.read().power_w == 5.0
    jtop.pass_s(0.02)
    stale = jtop.source.read()
    assert stale.power_w is None
    assert stale.rails_w == {}
    assert stale.gaps == {"jtop": "no new sample for 1.0 s"}
    assert stale.age_s == pytest.approx(1.01)


def test_age_counts_by_the_services_own_interval(service):
    """A client that came before has the service read once a second."""
    jtop = service([sample(1000.0, interval_s=1.0), HANG])
    jtop.until_power()
    jtop.pass_s(2.9)
    assert jtop.source.read().power_w == 5.0
    jtop.pass_s(0.2)
    assert jtop.source.read().power_w is None
    assert (stale_after_s(1.0), stale_after_s(0.1)) == (3.0, 1.0)


def test_service_that_hangs_is_left_and_tried_again(service):
    jtop = service([sample(1000.0), {"deaf": True}, HANG], [sample_now(7.0), HANG])
    jtop.until_power()
    jtop.pass_s(hung_after_s(0.1) + 1)
    jtop.until_gap("the service has been silent for 4.0 s")
    jtop.until_started(2)
    assert jtop.until_power(7.0).gaps == {}


def test_service_that_repeats_its_last_sample_hangs_too(service):
    again = [sample(1000.0), {"wait": "go"}, sample(1000.0), sample(1000.0), {"wait": "more"}]
    jtop = service([*again, sample(1000.0), HANG])
    jtop.until_power()
    jtop.pass_s(2.0)
    jtop.let("go")
    assert jtop.until_gap("no new sample").time_s == pytest.approx(50.0)
    jtop.pass_s(2.0)
    jtop.let("more")
    jtop.until_gap("silent")


def test_process_that_never_says_anything_is_left_after_a_while(service):
    jtop = service([HANG], [sample_now(5.0), HANG])
    jtop.until(lambda _: (jtop.folder / "started-1").exists())
    jtop.pass_s(16.0)
    jtop.until_gap("silent for 16.0 s")
    jtop.until_started(2)
    jtop.until_power()


def test_service_that_was_killed_is_a_gap_and_comes_back(service):
    lost = {"say": {"error": "Lost connection with jtop server", "kind": "lost"}}
    jtop = service([sample(1000.0), {"wait": "kill"}, lost], DOWN, [sample_now(6.0), HANG])
    jtop.until_power(5.0)
    jtop.let("kill")
    jtop.until(lambda _: jtop.source._problem)
    assert jtop.source.read().power_w == 5.0  # still fresh
    jtop.until_started(2)
    jtop.until(lambda _: "does not answer" in jtop.source._problem)
    jtop.pass_s(1.5)
    jtop.until_gap("the service does not answer: run sudo jtop --install-service")
    jtop.until_started(3)
    assert jtop.until_power(6.0).gaps == {}


def test_waits_double_while_nothing_helps(service):
    jtop = service(DOWN)
    waits_s = []
    for start in range(1, 4):
        jtop.until_started(start)
        jtop.until(lambda _, n=start: jtop.source._wait_s == 0.5 * 2**n)
        waits_s.append(jtop.until_started(start + 1))
    assert waits_s == pytest.approx([0.5, 1.0, 2.0], abs=0.35)


def test_service_started_anew_is_tried_at_once(service):
    jtop = service(DOWN, [sample(1000.0), HANG])
    jtop.until_gap("does not answer")
    jtop.tree.put("run/jtop.sock", "")  # no time passes on the clock
    jtop.until_power()


def test_lack_of_permission_names_group_and_command(service):
    jtop = service([{"say": {"error": "I can't access jtop.service.", "kind": "permission"}}])
    gap = jtop.until_gap("permission denied").gaps["jtop"]
    assert "run sudo usermod -aG jtop $USER" in gap
    assert "group jtop" in gap
    assert "\n" not in gap


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "pip install 'edgert[jtop]'"),
        ("version", "differ in version"),
        ("something new", "in its own words"),
    ],
)
def test_every_failure_has_words(service, kind, words):
    jtop = service([{"say": {"error": "in its own words", "kind": kind}}])
    jtop.until_gap(words)


def test_process_that_dies_without_a_word_is_a_gap(service):
    jtop = service([])
    jtop.until_gap("the jtop process ended")


def test_program_that_can_not_be_started_is_a_gap(tmp_path):
    source = JtopSource(root=tmp_path, clock=VirtualClock(), command=[str(tmp_path / "none")])
    pause = threading.Event()
    while (got := source.read()) is None:
        pause.wait(0.005)
    assert "can't be started: No such file" in got.gaps["jtop"]
    source.close()


def test_clock_that_was_set_back_changes_no_age(service):
    """Ages follow uptime: what a wall clock does is no part of them."""
    jtop = service(
        [sample(1000.0), {"wait": "a"}, sample(1000.5, power_w=6.0), HANG],
    )
    jtop.until_power()
    # A service whose timer follows the wall clock sleeps for the whole step back: frozen data.
    jtop.pass_s(2.0)
    jtop.until_gap("no new sample")
    jtop.let("a")
    pause = threading.Event()
    pause.wait(0.1)
    assert jtop.source.read().power_w is None  # it was read 1.5 s ago, and is stale already


def test_stamp_from_the_future_is_refused(service):
    jtop = service([sample(5000.0), sample(1000.0, power_w=6.0), HANG])
    jtop.until_power(6.0)


def test_lines_that_are_none_are_passed_over(service):
    jtop = service(
        [
            {"text": "Traceback: something"},
            {"text": '{"sample": {"uptime_s": "x"}}'},
            {"text": '{"sample": {"uptime_s": 1'},
            sample(1000.0),
            HANG,
        ]
    )
    jtop.until_power()
    assert jtop.source.starts == 1


def test_uptime_that_can_not_be_read_is_a_gap(service):
    jtop = service([{"wait": "go"}, sample(1000.0), HANG])
    jtop.tree.put("proc/uptime", "")
    jtop.let("go")
    jtop.until_gap("/proc/uptime")


def test_close_ends_the_process_and_all_it_started(service):
    jtop = service([{"child": True}, sample(1000.0), HANG])
    jtop.until_power()
    child = int((jtop.folder / "child").read_text())
    jtop.source.close()
    jtop.source.close()
    pause = threading.Event()
    for _ in range(400):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        pause.wait(0.005)
    else:
        raise AssertionError("the process that it started lives on")


def test_no_descriptor_and_no_thread_is_left(tmp_path):
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    jtop = Service(tmp_path, [sample(1000.0), HANG])
    jtop.until_power()
    jtop.source.close()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_machine_without_a_service_has_no_source(tmp_path):
    with pytest.raises(SourceUnavailableError, match="sudo jtop --install-service"):
        JtopSource(root=tmp_path)


def test_service_without_the_package_says_which_extra(tmp_path):
    Tree(tmp_path).put("run/jtop.sock", "")
    if importlib.util.find_spec("jtop") is not None:
        pytest.skip("jetson-stats is installed here")
    with pytest.raises(MissingDependencyError, match=r"edgert\[jtop\]"):
        JtopSource(root=tmp_path, clock=VirtualClock())


def test_interval_of_zero_is_misuse(tmp_path):
    with pytest.raises(ValueError, match="interval_s"):
        JtopSource(root=tmp_path, interval_s=0, command=["x"])
