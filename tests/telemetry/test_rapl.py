"""Energy counters of a PC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.telemetry.rapl import RaplSource, energy_between
from tests.telemetry.trees import put_rapl

RANGE_UJ = 262_143_328_850


@pytest.fixture
def clock():
    return VirtualClock(10.0)


def put(root, place, energy_uj, **more):
    return put_rapl(root, place, energy_uj, **more)


def pc(root):
    put(root, "0", 1_000_000, name="package-0")
    put(root, "0:0", 500_000, name="core")
    put(root, "0:1", 100_000, name="dram")
    put(root, "1", 9_000_000, name="psys")
    return root


def test_power_is_the_mean_since_the_read_before(tmp_path, clock):
    source = RaplSource(root=pc(tmp_path), clock=clock)
    clock.sleep(2.0)
    put(tmp_path, "0", 31_000_000)  # 30 J in 2 s
    put(tmp_path, "0:0", 20_500_000)
    put(tmp_path, "0:1", 4_100_000)
    put(tmp_path, "1", 99_000_000)
    sample = source.read()
    assert sample.rails_w == {"package-0": 15.0, "core-0": 10.0, "dram-0": 2.0, "psys": 45.0}
    assert sample.power_w == 17.0  # cores lie in the package, psys around all of it
    assert (sample.time_s, sample.provenance) == (12.0, "measured")


def test_second_mount_of_a_package_is_not_counted(tmp_path, clock):
    pc(tmp_path)
    folder = tmp_path / "sys/class/powercap/intel-rapl-mmio:0"
    folder.mkdir()
    for name, text in {"name": "package-0", "energy_uj": 5, "max_energy_range_uj": 99}.items():
        (folder / name).write_text(f"{text}\n")
    source = RaplSource(root=tmp_path, clock=clock)
    clock.sleep(1.0)
    assert list(source.read().rails_w) == ["package-0", "core-0", "dram-0", "psys"]


def test_counter_that_wrapped_goes_on(tmp_path, clock):
    put(tmp_path, "0", RANGE_UJ - 5_000_000, name="package-0")
    source = RaplSource(root=tmp_path, clock=clock)
    clock.sleep(1.0)
    put(tmp_path, "0", 14_999_999)
    assert source.read().power_w == pytest.approx(20.0)


def test_counter_that_was_reset_is_a_gap(tmp_path, clock):
    put(tmp_path, "0", 200_000_000_000, name="package-0")
    source = RaplSource(root=tmp_path, clock=clock)
    clock.sleep(1.0)
    put(tmp_path, "0", 0)  # as a wrap it would be 62 kJ in a second
    sample = source.read()
    assert "the counter was reset" in sample.gaps["rail package-0"]
    assert sample.gaps["power"] == "rail package-0"
    clock.sleep(1.0)
    put(tmp_path, "0", 10_000_000)
    assert source.read().power_w == pytest.approx(10.0)


def test_pause_in_which_it_may_have_wrapped_twice_is_a_gap(tmp_path, clock):
    put(tmp_path, "0", 0, name="package-0", range_uj=1_000_000_000)
    source = RaplSource(root=tmp_path, clock=clock)
    clock.sleep(0.6)
    put(tmp_path, "0", 5_000_000)
    assert "may have wrapped" in source.read().gaps["rail package-0"]


def test_two_reads_at_once_are_no_division_by_zero(tmp_path, clock):
    source = RaplSource(root=pc(tmp_path), clock=clock)
    sample = source.read()
    assert sample.power_w is None
    assert sample.gaps["rail package-0"] == "read too soon after the read before"


def test_counter_that_comes_late_starts_with_a_gap(tmp_path, clock):
    pc(tmp_path)
    put(tmp_path, "0:1", "")
    source = RaplSource(root=tmp_path, clock=clock)
    clock.sleep(1.0)
    put(tmp_path, "0:1", 7)
    sample = source.read()
    assert sample.gaps["rail dram-0"].startswith("first read")
    assert sample.power_w is None  # a sum without the memory would be another quantity
    clock.sleep(1.0)
    put(tmp_path, "0:1", 1_000_007)
    assert source.read().rails_w["dram-0"] == 1.0


def test_machine_without_counters_has_no_source(tmp_path):
    with pytest.raises(SourceUnavailableError, match="sys/class/powercap"):
        RaplSource(root=tmp_path)


def test_counters_that_can_not_be_read_are_no_source(tmp_path):
    put(tmp_path, "0", "", name="package-0")
    with pytest.raises(SourceUnavailableError, match="1 of them and none can be read: torn read"):
        RaplSource(root=tmp_path)


def test_counters_that_go_are_an_error_and_then_nothing_is_left(tmp_path, clock):
    source = RaplSource(root=pc(tmp_path), clock=clock)
    for file in tmp_path.rglob("energy_uj"):
        file.unlink()
    clock.sleep(1.0)
    with pytest.raises(SensorReadError, match="vanished"):
        source.read()
    source.close()


@given(
    start_uj=st.integers(0, RANGE_UJ),
    drawn_uj=st.lists(st.integers(0, RANGE_UJ // 2), min_size=1, max_size=20),
)
def test_however_often_it_wraps_the_sum_is_what_was_drawn(start_uj, drawn_uj):
    reading, total_uj = start_uj, 0
    for step_uj in drawn_uj:
        after = (reading + step_uj) % (RANGE_UJ + 1)
        total_uj += energy_between(reading, after, RANGE_UJ)
        reading = after
    assert total_uj == sum(drawn_uj)
