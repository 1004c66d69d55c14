"""A discrete GPU through NVML, with NVML in memory."""

import pytest

from edgert.clock import VirtualClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.telemetry.nvml import NvmlSource
from tests.telemetry.fake_pynvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    NOT_SUPPORTED,
    FakeNvml,
    NVMLError,
)


def source(nvml, **options):
    return NvmlSource(clock=VirtualClock(7.0), pynvml=nvml, **options)


def test_everything_that_the_driver_tells_in_si_units():
    sample = source(FakeNvml()).read()
    assert sample.power_w == 71.5
    assert sample.rails_w == {"gpu": 71.5}
    assert (sample.temp_c, sample.zones_c) == (41.0, {"gpu": 41.0})
    assert sample.trip_points_c == {"gpu": {"shutdown": 92.0, "slowdown": 87.0}}
    assert sample.clocks_hz == {"gpu": 1.2e9, "memory": 2.6e9}
    assert sample.clock_caps_hz["gpu"] == 1.98e9
    assert sample.clock_ratio == pytest.approx(1.2 / 1.98)
    assert sample.utilisation == {"gpu": 0.37}
    assert (sample.memory_used_bytes, sample.memory_total_bytes) == (250, 1000)
    assert sample.fan_ratio == pytest.approx(0.3)
    assert sample.power_mode == "P0"
    assert (sample.throttled, sample.throttle_reason) == (False, "")
    assert (sample.time_s, sample.provenance, sample.gaps) == (7.0, "measured", {})


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        (0x04, "power cap"),
        (0x28, "hardware slowdown, heat (driver)"),
        (0x80, "power brake of the supply"),
    ],
)
def test_reasons_for_a_lowered_clock_are_words(bits, reason):
    sample = source(FakeNvml(CurrentClocksThrottleReasons=bits)).read()
    assert (sample.throttled, sample.throttle_reason) == (True, reason)


@pytest.mark.parametrize("bits", [0x01, 0x02, 0x100])
def test_rest_and_choice_are_no_throttling(bits):
    assert source(FakeNvml(CurrentClocksThrottleReasons=bits)).read().throttled is False


@pytest.mark.parametrize(
    ("function", "key", "field"),
    [
        ("FanSpeed", "fan", "fan_ratio"),
        ("MemoryInfo", "memory", "memory_used_bytes"),
        ("CurrentClocksThrottleReasons", "throttling", "throttled"),
        ("PowerUsage", "power", "power_w"),
        ("Temperature", "zone gpu", "temp_c"),
    ],
)
def test_what_the_gpu_does_not_support_is_a_gap(function, key, field):
    sample = source(FakeNvml(**{function: NVMLError(NOT_SUPPORTED)})).read()
    assert sample.gaps[key] == "not supported by this GPU"
    assert getattr(sample, field) is None


def test_one_clock_that_is_not_told_leaves_the_other():
    nvml = FakeNvml(ClockInfo={0: NVMLError(NOT_SUPPORTED), 2: 2600})
    sample = source(nvml).read()
    assert sample.clocks_hz == {"memory": 2.6e9}
    assert sample.clock_ratio is None
    assert "clock gpu" in sample.gaps


def test_function_that_the_package_lacks_is_a_gap():
    nvml = FakeNvml()
    del nvml.values["FanSpeed"]
    assert source(nvml).read().gaps["fan"] == "nvidia-ml-py has no nvmlDeviceGetFanSpeed"


@pytest.mark.parametrize("raw_mw", [-1, 6_000_000])
def test_power_that_can_not_be_is_a_gap(raw_mw):
    nvml = FakeNvml()
    opened = source(nvml)
    nvml.values["PowerUsage"] = raw_mw
    sample = opened.read()
    assert sample.power_w is None
    assert sample.rails_w == {}
    assert sample.gaps["power"].startswith("impossible")


def test_gpu_that_is_lost_is_an_error_and_may_come_back():
    nvml = FakeNvml()
    opened = source(nvml)
    before = dict(nvml.values)
    nvml.values = dict.fromkeys(before, NVMLError(GPU_IS_LOST))
    with pytest.raises(SensorReadError) as error:
        opened.read()
    assert "the GPU is lost" in str(error.value)
    assert "\n" not in str(error.value)
    nvml.values = before
    assert opened.read().power_w == 71.5


def test_orin_whose_nvml_knows_nothing_has_no_source():
    error = NVMLError(NOT_SUPPORTED)
    nvml = FakeNvml(PowerUsage=error, Temperature=error)
    with pytest.raises(SourceUnavailableError, match="on a Jetson use sysfs"):
        source(nvml)
    assert nvml.closed == nvml.opened == 1


def test_machine_without_a_driver_has_no_source():
    nvml = FakeNvml()
    nvml.init_error = NVMLError(DRIVER_NOT_LOADED)
    with pytest.raises(SourceUnavailableError, match="the driver is not loaded"):
        source(nvml)
    assert nvml.closed == 0


def test_gpu_that_is_not_there_is_refused_and_the_driver_let_go():
    nvml = FakeNvml()
    with pytest.raises(SourceUnavailableError, match="open GPU 3"):
        source(nvml, index=3)
    assert nvml.closed == 1


def test_close_twice_lets_go_once():
    nvml = FakeNvml()
    opened = source(nvml)
    opened.close()
    opened.close()
    assert nvml.closed == 1
