"""The bench that energy is measured on: an emulated board's truth, and sensors that have none."""

from pathlib import Path

import pytest

from edgert.cli.energy_bench import emulated_bench, real_bench, refuse_without_power
from edgert.cli.profile_energy import back_to_back_w
from edgert.clock import VirtualClock
from edgert.emulator.power import EngineLoad
from edgert.errors import SensorReadError, SourceUnavailableError, UsageError
from edgert.profiling.energy.measure import measure_energy
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.steady import Steady
from edgert.records import TelemetrySample
from tests.cli.energy_boards import board_file
from tests.emulator.trees import make_tree

LOADS = {
    "full": EngineLoad(latency_s=0.010, macs=1000),
    "half": EngineLoad(latency_s=0.008, macs=500),
}
PLAN = Plan(
    windows=2, window_s=1, idle_s=2, warm_up_s=2, warm_up_most_s=4, steady=Steady(over_s=2)
)


@pytest.mark.parametrize(("paced_hz", "period_s"), [(None, None), (40.0, 1 / 40)])
def test_an_emulated_board_s_energy_is_found(tmp_path: Path, paced_hz, period_s):
    plan = Plan(**{**{f: getattr(PLAN, f) for f in PLAN.__struct_fields__}, "paced_hz": paced_hz})
    with emulated_bench(str(board_file(tmp_path))) as open_bench:
        bench = open_bench(LOADS)
        runs = {name: bench.run_of(name) for name in LOADS}
        figures = measure_energy(runs, bench.meter, bench.sensing, plan)
    for name, work_s in (("full", 0.010), ("half", 0.005)):
        figure, latency_s = figures[name], LOADS[name].latency_s
        true_j = 10 * work_s
        assert figure.marginal_j == pytest.approx(true_j, rel=0.02)
        assert figure.total_j == pytest.approx(3 * (period_s or latency_s) + true_j, rel=0.02)
        assert back_to_back_w(figure, latency_s) == pytest.approx(3 + true_j / latency_s, rel=0.02)
    assert figures["half"].baseline is not None
    # A control: the ratio of energies is not that of the latencies.
    assert figures["half"].baseline.marginal == pytest.approx(0.5, rel=0.02)


def test_a_long_play_books_many_short_runs_at_once(tmp_path: Path):
    with emulated_bench(str(board_file(tmp_path))) as open_bench:
        bench = open_bench({"tiny": EngineLoad(latency_s=50e-6, macs=10)})
        assert bench.step_of("tiny")() == 100
        assert bench.meter.clock.now_s() == pytest.approx(100 * 50e-6)
        bench.run_of("tiny")()
        assert bench.meter.clock.now_s() == pytest.approx(101 * 50e-6)


def test_the_sensor_of_the_board_file_is_named(tmp_path: Path):
    with emulated_bench(str(board_file(tmp_path))) as open_bench:
        sensing = open_bench(LOADS).sensing
    assert (sensing.board, sensing.rails) == ("test-board", ["VDD_IN"])
    assert sensing.bound.source == "exact, by the board file"
    chip = (
        (tmp_path / "test-board.yaml").read_text().replace("{averaging_s: 0.2}", "{ina3221: {}}")
    )
    (tmp_path / "chip.yaml").write_text(chip)
    with emulated_bench(str(tmp_path / "chip.yaml")) as open_bench:
        bench = open_bench(LOADS)
    assert "INA3221" in bench.sensing.bound.source
    assert bench.sensing.bound.offsets_w


def test_a_load_leads_until_the_sensor_has_forgotten(tmp_path: Path):
    with emulated_bench(str(board_file(tmp_path))) as open_bench:
        assert open_bench(LOADS).lead_s == pytest.approx(1.0)
    slow = (tmp_path / "test-board.yaml").read_text().replace("averaging_s: 0.2", "averaging_s: 2")
    (tmp_path / "slow.yaml").write_text(slow)
    with emulated_bench(str(tmp_path / "slow.yaml")) as open_bench:
        assert open_bench(LOADS).lead_s == pytest.approx(10.0)


def test_no_such_board_is_a_usage_error():
    with pytest.raises(UsageError), emulated_bench("no-such-board"):
        pass


class Source:
    """Samples from a list, the last one for ever."""

    name = "source"

    def __init__(self, *found) -> None:
        self.found = list(found)

    def read(self):
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None: ...


def sample(power_w: float | None, **gaps: str) -> TelemetrySample:
    told = {name.replace("_", " ", 1): why for name, why in gaps.items()}
    return TelemetrySample(time_s=0, source="s", provenance="measured", power_w=power_w, gaps=told)


def test_a_torn_first_read_passes():
    clock = VirtualClock()
    refuse_without_power(Source(sample(None, power="torn"), None, sample(5.0)), clock)
    assert clock.now_s() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("found", "reason", "after_s"),
    [
        (sample(None, power="VDD_IN lacks", rail_VDD_IN="permission denied: run x"),
         "permission denied: run x", 1.0),
        (sample(None, power="no total"), "no total", 1.0),
        (sample(None), "no power in its samples", 1.0),
        (None, "no power in its samples", 15.0),
        (SensorReadError("read", expected="a value", got="silence", advice="Wait"),
         "silence", 15.0),
    ],
)  # fmt: skip
def test_a_source_without_power_is_refused_with_its_reason(found, reason: str, after_s: float):
    clock = VirtualClock()
    with pytest.raises(SensorReadError, match="measure energy with source") as raised:
        refuse_without_power(Source(found), clock)
    assert raised.value.got == reason
    assert clock.now_s() == pytest.approx(after_s, abs=0.2)


def test_sensors_of_a_tree_make_a_bench(tmp_path: Path):
    tree, _ = make_tree(tmp_path / "board")
    ran = []
    with tree, real_bench("", tmp_path / "board", lambda name: lambda: ran.append(name)) as opened:
        bench = opened({})
        assert bench.sensing.board.startswith("jetson-orin-nano")
        assert bench.sensing.rails == ["VDD_IN"]
        assert "INA3221" in bench.sensing.bound.source
        bench.run_of("full")()
        assert bench.step_of("half")() == 1
        assert ran == ["full", "half"]
        assert bench.meter.interval_s == 0.02


def test_an_unreadable_rail_is_refused_before_anything_is_measured(tmp_path: Path):
    tree, _ = make_tree(tmp_path / "board")
    with tree:
        tree.fault("unreadable", file="VDD_IN")
        with (
            pytest.raises(SensorReadError, match="the board's power"),
            real_bench("sysfs", tmp_path / "board", lambda _: lambda: None),
        ):
            pass


def test_no_sensors_are_refused(tmp_path: Path):
    with (
        pytest.raises(SourceUnavailableError),
        real_bench("", tmp_path, lambda _: lambda: None),
    ):
        pass
