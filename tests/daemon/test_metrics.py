"""Figures for Prometheus: names, units, provenance, gaps."""

import math
import re
import shutil
import subprocess
import threading
import timeit
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from edgert.clock import VirtualClock
from edgert.daemon.metrics import Metrics
from edgert.records import FrameLog, Limits, TelemetrySample, Wanted
from tests.daemon.fake_service import FakeService

GOLDEN = Path(__file__).parent / "metrics.golden.txt"


class Seen(NamedTuple):
    stream: str
    line: FrameLog
    sample: TelemetrySample | None = None
    wait_s: float = 0.002


def frame(configuration: str = "c630", stream: str = "yard", **fields) -> Seen:
    given_fields = {"latency_s": 0.031, "reason": "hold", **fields}
    return Seen(stream, FrameLog(frame=1, time_s=0.0, configuration=configuration, **given_fields))


def shown(metrics: Metrics, service: FakeService) -> dict[str, dict[Mapping[str, str], float]]:
    """All samples by name and labels."""
    text = metrics.render(service.status(), service.configurations()).decode()
    found: dict[str, dict] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def labels(**given_labels: str) -> frozenset:
    return frozenset(given_labels.items())


def test_everything_as_it_was_when_somebody_looked(tmp_path: Path) -> None:
    """The golden text: a change of a name or a label breaks dashboards, so it has to be meant."""
    service, metrics = FakeService(clock=VirtualClock()), Metrics(process=False)
    for latency_s in (0.018, 0.031, 0.047, 0.2):
        metrics.see_frame(frame(latency_s=latency_s))
    metrics.see_frame(frame("full", "gate", switched=True, reason="there is room: up to full"))
    metrics.see_frame(frame("c630", skip=True, latency_s=None))
    text = metrics.render(service.status(), service.configurations()).decode()
    text = re.sub(r"(_created\S* )\S+", r"\1NOW", text)
    (tmp_path / "metrics.txt").write_text(text)
    assert text == GOLDEN.read_text(), f"if it is meant: cp {tmp_path}/metrics.txt {GOLDEN}"


@pytest.mark.system
def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    service, metrics = FakeService(), Metrics()
    metrics.see_frame(frame())
    text = metrics.render(service.status(), service.configurations())
    result = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    bad = text.replace(b"edgert_ready", b"edgert_readySeconds")  # it can find something
    result = subprocess.run(
        [promtool, "check", "metrics"], input=bad, capture_output=True, check=False
    )
    assert result.returncode != 0


def test_emulated_figures_do_not_look_measured() -> None:
    service, metrics = FakeService(), Metrics(process=False)
    found = shown(metrics, service)
    board = ("edgert_power_watts", "edgert_temperature_celsius", "edgert_energy_joules_total",
             "edgert_throttled", "edgert_shadow_energy_joules_total",
             "edgert_hottest_temperature_celsius")  # fmt: skip
    for name in board:
        assert all(("provenance", "emulated") in one for one in found[name]), name
    telemetry = service.current.telemetry
    assert telemetry is not None
    service.set(telemetry=msgspec.structs.replace(telemetry, provenance="measured"))
    found = shown(metrics, service)
    for name in board:
        assert all(("provenance", "measured") in one for one in found[name]), name
    for name, samples in found.items():  # what a model says is never a measurement
        if "forecast_celsius" in name or "expected_power" in name:
            assert all(("provenance", "modelled") in one for one in samples)


def test_a_total_keeps_its_provenance_while_telemetry_is_lost() -> None:
    service, metrics = FakeService(), Metrics(process=False)
    shown(metrics, service)
    service.set(telemetry=None)
    found = shown(metrics, service)
    assert found["edgert_energy_joules_total"] == {labels(provenance="emulated"): 9120.5}
    for name in ("edgert_power_watts", "edgert_temperature_celsius", "edgert_throttled",
                 "edgert_telemetry_age_seconds", "edgert_over_current_events_total"):  # fmt: skip
        assert name not in found


def test_a_file_that_was_played_to_its_end_is_not_down() -> None:
    service, metrics = FakeService(), Metrics(process=False)
    yard, gate = service.current.streams
    ended = msgspec.structs.replace(yard.source, state="ended")
    failed = msgspec.structs.replace(gate.source, state="failed")
    service.set(streams=[
        msgspec.structs.replace(yard, source=ended), msgspec.structs.replace(gate, source=failed),
    ])  # fmt: skip
    found = shown(metrics, service)
    assert found["edgert_stream_up"] == {labels(stream="gate"): 0.0}
    assert labels(stream="yard") in found["edgert_stream_decoded_frames_total"]


def test_a_gap_is_absent_and_never_zero() -> None:
    service, metrics = FakeService(), Metrics(process=False)
    bare = TelemetrySample(time_s=0.0, source="sysfs", provenance="measured", temp_c=math.nan)
    service.wanted = Wanted(limits=Limits())
    service.set(telemetry=bare, energy_j=None, forecast_c=None, numbers={"cap_w": math.inf},
                shadow=None, streams=[])  # fmt: skip
    found = shown(metrics, service)
    for name in (
        "edgert_power_watts", "edgert_hottest_temperature_celsius", "edgert_energy_joules_total",
        "edgert_temperature_forecast_celsius", "edgert_power_cap_watts", "edgert_clock_ratio",
        "edgert_throttled", "edgert_limit_power_watts", "edgert_limit_deadline_seconds",
        "edgert_shadow_runs_total", "edgert_stream_up", "edgert_expected_power_watts",
    ):  # fmt: skip
        assert name not in found, name
    assert found["edgert_limit_miss_ratio"] == {labels(): 0.005}
    agreed = {name for one in found["edgert_agreement_ratio"] for _, name in one}
    assert agreed == {"c630"}  # the others had no shadow run, which is not an agreement of 0


@given(
    power_w=st.floats(allow_nan=True, allow_infinity=True),
    temp_c=st.none() | st.floats(allow_nan=True),
    rails=st.dictionaries(st.text(max_size=8), st.floats(), max_size=3),
    name=st.text(max_size=12),
)
def test_whatever_a_board_says_the_text_can_be_read_and_has_no_nan(
    power_w: float, temp_c: float | None, rails: dict[str, float], name: str
) -> None:
    service, metrics = FakeService(), Metrics(process=False)
    service.set(
        telemetry=TelemetrySample(
            time_s=0.0, source="x", provenance="emulated", power_w=power_w, temp_c=temp_c,
            rails_w=rails, over_current_events={name: 3},
        ),
        board=name,
    )  # fmt: skip
    found = shown(metrics, service)
    assert all(not math.isnan(value) for samples in found.values() for value in samples.values())
    finite = {one: watts for one, watts in rails.items() if math.isfinite(watts)}
    if math.isfinite(power_w):
        assert found["edgert_power_watts"][labels(rail="module", provenance="emulated")] == power_w
    for one, watts in finite.items():
        if one != "module":
            assert found["edgert_power_watts"][labels(rail=one, provenance="emulated")] == watts


def test_frames_are_counted_by_stream_and_configuration() -> None:
    service, metrics = FakeService(), Metrics(process=False)
    for _ in range(3):
        metrics.see_frame(frame())
    metrics.see_frame(frame("full", switched=True, reason="full is pinned by the operator"))
    metrics.see_frame(frame("full", "gate"))
    metrics.see_frame(frame("full", latency_s=None, skip=True))
    metrics.see_frame(frame("full", latency_s=math.nan))
    found = shown(metrics, service)
    frames = found["edgert_frames_total"]
    assert frames[labels(stream="yard", configuration="c630")] == 3
    assert frames[labels(stream="gate", configuration="full")] == 1
    assert found["edgert_frame_latency_seconds_count"][labels(stream="yard")] == 4
    assert found["edgert_frame_latency_seconds_sum"][labels(stream="yard")] == pytest.approx(0.124)
    assert found["edgert_frame_wait_seconds_count"][labels(stream="gate")] == 1
    switches = found["edgert_engine_switches_total"]
    assert switches[labels(reason="pin")] == 1
    assert switches[labels(reason="power")] == 0  # there from the start: an increase is seen
    assert found["edgert_frames_dropped_total"][labels(stream="yard", cause="newer frame")] == 312


def test_what_happens_is_not_shared_between_daemons_of_one_process() -> None:
    one, other = Metrics(process=False), Metrics(process=False)
    one.see_frame(frame())
    assert "edgert_frames_total" not in shown(other, FakeService())
    assert not any("edgert" in name for name in REGISTRY._names_to_collectors)


def test_frames_are_counted_while_somebody_looks() -> None:
    service, metrics = FakeService(), Metrics(process=False)

    def work() -> None:
        for number in range(2000):
            metrics.see_frame(frame(stream=str(number % 5)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        shown(metrics, service)
    assert sum(shown(metrics, service)["edgert_frames_total"].values()) == 8000


def test_a_frame_costs_little() -> None:
    metrics, seen = Metrics(process=False), frame()
    best_s = min(timeit.repeat(lambda: metrics.see_frame(seen), number=2000, repeat=7)) / 2000
    assert best_s < 20e-6
