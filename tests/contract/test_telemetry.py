"""What holds for every telemetry source, the emulated board among them."""

import math
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.records import TelemetrySample
from edgert.telemetry import SOURCES, open_source
from edgert.telemetry.recording import Recorder
from edgert.telemetry.sampler import Sampler
from tests.telemetry.fake_pynvml import NOT_SUPPORTED, FakeNvml, NVMLError
from tests.telemetry.trees import LAYOUTS, Tree, put_rapl

FAKE_JTOP = Path(__file__).parents[1] / "telemetry/fake_jtop.py"
SPEC = read_board_spec(Path(__file__).parents[2] / "profiles/boards/emulated-orin-nano.yaml")


class Bench:
    """A source under test: how its machine lives on, and how its power sensor is taken away."""

    def __init__(self, folder, clock):
        self.folder, self.clock, self.number = folder, clock, 0
        self.source = self.open()

    def live(self, duration_s=1.0):
        self.clock.sleep(duration_s)

    def first(self):
        """The first sample, which a source may have to wait for."""
        return self.source.read()


class Sysfs(Bench):
    layout = "orin-nano-jp6"

    def open(self):
        self.tree = Tree(self.folder, self.layout)
        return open_source("sysfs", root=self.folder, clock=self.clock)

    def live(self, duration_s=1.0):
        self.number += 1
        for chip in self.tree.layout.chips:
            for label, _, ma in chip.channels.values():
                self.tree.rail(label, ma=ma + 8 * self.number)
        super().live(duration_s)

    def spoil(self):
        for file in self.folder.rglob("curr*_input"):
            file.unlink()
        for file in self.folder.rglob("power*_input"):
            file.unlink()


class Jtop(Bench):
    def open(self):
        self.tree = Tree(self.folder / "tree")
        script = self.folder / "script"
        script.mkdir()
        line = {"sample": {"interval_s": 0.1, "rails_w": {"VDD_IN": 5.0}, "zones_c": {"tj": 45.0}}}
        spoiled = {"sample": {"interval_s": 0.1, "rails_w": {"VDD_IN": -5.0}}}
        steps = [{"now": line}]
        for number in range(1, 20):
            steps += [{"wait": f"live-{number}"}, {"now": line}]
        steps = [*steps[:9], {"wait": "spoil"}, {"now": spoiled}, {"hang": True}]
        (script / "start-1.json").write_bytes(msgspec.json.encode(steps))
        uptime = self.tree.root / "proc/uptime"
        command = [sys.executable, "-S", str(FAKE_JTOP), str(script), str(uptime)]
        return open_source("jtop", root=self.tree.root, clock=self.clock, command=command)

    def first(self):
        return self._until(lambda sample: sample is not None)

    def live(self, duration_s=0.5):
        self.number += 1
        before_s = self.source.read().time_s
        self.tree.uptime(1000.0 + 0.5 * self.number)
        self.clock.sleep(0.5)
        (self.folder / f"script/live-{self.number}").touch()
        self._until(lambda sample: sample.time_s > before_s)

    def spoil(self):
        for _ in range(4 - self.number):
            self.live()
        self.tree.uptime(1000.0 + 0.5 * (self.number + 1))
        self.clock.sleep(0.5)
        (self.folder / "script/spoil").touch()
        self._until(lambda sample: sample.power_w is None)

    def _until(self, condition):
        pause = threading.Event()
        for _ in range(2000):
            sample = self.source.read()
            if condition(sample):
                return sample
            pause.wait(0.005)
        raise AssertionError("the program said nothing in 10 s")


class Nvml(Bench):
    def open(self):
        self.nvml = FakeNvml()
        return open_source("nvml", clock=self.clock, pynvml=self.nvml)

    def spoil(self):
        self.nvml.values["PowerUsage"] = NVMLError(NOT_SUPPORTED)


class Rapl(Bench):
    def open(self):
        Tree(self.folder)  # zones and memory
        put_rapl(self.folder, "0", 0, name="package-0")
        return open_source("rapl", root=self.folder, clock=self.clock)

    def first(self):
        self.live()
        return self.source.read()

    def live(self, duration_s=1.0):
        self.number += 1
        put_rapl(self.folder, "0", 20_000_000 * self.number)
        super().live(duration_s)

    def spoil(self):
        put_rapl(self.folder, "0", "")


class Replay(Bench):
    def open(self):
        path = self.folder / "telemetry.jsonl"
        whole = TelemetrySample(
            time_s=0.0, source="sysfs", provenance="measured", power_w=5.0, temp_c=45.0,
            rails_w={"VDD_IN": 5.0}, zones_c={"tj": 45.0},
        )  # fmt: skip
        with Recorder(path) as recorder:
            for number in range(10):
                recorder.write(msgspec.structs.replace(whole, time_s=float(number)))
            gaps = {"power": "rail VDD_IN: vanished"}
            recorder.write(msgspec.structs.replace(
                whole, time_s=10.0, power_w=None, rails_w={}, gaps=gaps
            ))  # fmt: skip
        return open_source("replay", clock=self.clock, path=path)

    def spoil(self):
        self.clock.sleep(20.0)


class Emulated(Bench):
    def open(self):
        return EmulatedBoard(SPEC, self.clock)

    def spoil(self):
        pytest.skip("the emulated board's own sensors never fail; its tree's do")


BENCHES = {
    **{f"sysfs {name}": type("Layout", (Sysfs,), {"layout": name}) for name in LAYOUTS},
    "jtop": Jtop, "nvml": Nvml, "rapl": Rapl, "replay": Replay, "emulated": Emulated,
}  # fmt: skip


@pytest.fixture(params=BENCHES)
def bench(request, tmp_path):
    one = BENCHES[request.param](tmp_path, VirtualClock(500.0))
    yield one
    one.source.close()


def test_every_source_in_the_table_is_here():
    assert {name.split()[0] for name in BENCHES} == {*SOURCES, "emulated"}


def test_source_has_a_name_and_a_first_sample(bench):
    assert bench.source.name
    sample = bench.first()
    assert sample.source
    assert sample.provenance in {"measured", "emulated"}
    assert sample.power_w is not None
    assert sample.power_w > 0
    assert sample.temp_c is not None


def test_moment_and_age_add_up_to_now(bench):
    sample = bench.first()
    assert sample.age_s >= 0
    assert sample.time_s + sample.age_s == pytest.approx(bench.clock.now_s(), abs=1e-6)


def test_time_never_goes_back(bench):
    times_s = [bench.first().time_s]
    for _ in range(3):
        bench.live()
        times_s.append(bench.source.read().time_s)
    assert times_s == sorted(times_s)
    assert times_s[-1] > times_s[0]


def test_what_is_told_can_be(bench):
    bench.first()
    bench.live()
    sample = bench.source.read()
    assert all(0 <= power_w <= 5000 for power_w in sample.rails_w.values())
    assert all(-55 <= temp_c <= 200 for temp_c in sample.zones_c.values())
    assert sample.temp_c == max(sample.zones_c.values(), default=None)
    assert sample.power_w in sample.rails_w.values() or math.isclose(
        sample.power_w, sum(sample.rails_w.values()), rel_tol=0.5
    )
    assert bool(sample.throttle_reason) == bool(sample.throttled)


def test_sample_goes_through_a_file_unchanged(bench):
    sample = bench.first()
    again = msgspec.json.decode(msgspec.json.encode(sample), type=TelemetrySample)
    assert again == sample


def test_power_that_can_not_be_read_is_a_gap_with_a_reason_and_never_zero(bench):
    bench.first()
    bench.spoil()
    bench.clock.sleep(0.2)  # also what is read less often than power is read again
    sample = bench.source.read()
    assert sample.power_w is None
    assert sample.gaps
    for reason in sample.gaps.values():
        assert reason
        assert "\n" not in reason
    assert 0.0 not in sample.rails_w.values()


def test_spoiled_source_goes_on_answering(bench):
    bench.first()
    bench.spoil()
    for _ in range(3):
        bench.clock.sleep(0.1)
        assert bench.source.read().power_w is None


def test_sampler_reads_every_source(bench):
    bench.first()
    sampler = Sampler(bench.source, 0.5, clock=bench.clock)
    for _ in range(3):
        bench.live()
        sampler.step()
    report = sampler.report
    assert report.reads == 3
    assert report.kept >= 2
    assert report.energy_j > 0


def test_close_twice(bench):
    bench.first()
    bench.source.close()
    bench.source.close()
