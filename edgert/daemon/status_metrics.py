"""A service's status as families of metrics: names, units and labels are decided here."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgert.optional import needs
from edgert.records import (
    ConfigurationStatus,
    Limits,
    ServiceStatus,
    ShadowStatus,
    StreamStatus,
    TelemetrySample,
)

Labelled = tuple[Mapping[str, str], float | None]  # None: there is no such figure now
_LIMITS = (
    ("deadline_seconds", "A frame's result is late after this.", "deadline_s"),
    ("period_seconds", "From one frame to the next.", "period_s"),
    ("power_watts", "Power budget.", "power_w"),
    ("temperature_celsius", "Temperature limit.", "temp_c"),
    ("energy_joules", "Energy for the whole mission.", "energy_j"),
    ("mission_seconds", "How long that energy must last.", "mission_s"),
    ("miss_ratio", "Share of late frames to stay below.", "miss_ratio"),
)
# What controllers say of their last decision; not all of them say all.
_NUMBERS = (
    ("slowdown_ratio", "How much longer engines take now than in the profile.", "slowdown"),
    ("latency_margin_ratio", "Share of the latency that is kept free for noise.", "margin_ratio"),
)


def families_from(
    status: ServiceStatus, configurations: Iterable[ConfigurationStatus], *, provenance: str
) -> Iterator[Any]:
    """All metric families of a status; a figure that there is not is no sample.

    Args:
        status: At this moment.
        configurations: Of the engines that are served.
        provenance: Of power, heat and energy; "" where no sensor was ever read.
    """
    listed = list(configurations)
    yield from _service(status)
    yield from _limits(status.wanted.limits)
    if status.telemetry is not None:
        yield from _telemetry(status.telemetry)
    yield from _decision(status, provenance)
    yield from _streams(status.streams)
    yield from _configurations(listed)
    if status.shadow is not None:
        yield from _shadow(status.shadow, provenance)


def gauge(name: str, text: str, samples: Iterable[Labelled]) -> Iterator[Any]:
    """One family of gauges, or none where none of the samples is a number."""
    return _family("GaugeMetricFamily", name, text, samples)


def counter(name: str, text: str, samples: Iterable[Labelled]) -> Iterator[Any]:
    """One family of counters; `_total` is added to the name."""
    return _family("CounterMetricFamily", name, text, samples)


def _family(kind: str, name: str, text: str, samples: Iterable[Labelled]) -> Iterator[Any]:
    core = needs("prometheus_client.core", "serve", "to show metrics")
    there = [(labels, value) for labels, value in samples if value is not None]
    there = [(labels, value) for labels, value in there if math.isfinite(value)]
    if not there:
        return
    names = list(there[0][0])
    family = getattr(core, kind)(f"edgert_{name}", text, labels=names)
    for labels, value in there:
        family.add_metric([labels[one] for one in names], value)
    yield family


def _one(value: float | None, **labels: str) -> list[Labelled]:
    return [(labels, value)]


def _service(status: ServiceStatus) -> Iterator[Any]:
    info = {
        "version": status.version,
        "device": status.device,
        "board": status.board,
        "family": status.family,
        "engine_set": status.engine_set,
        "controller": status.controller,
    }
    yield from gauge("build_info", "What runs here, in labels; always 1.", [(info, 1)])
    yield from gauge("ready", "Whether frames or pictures are served.", _one(status.ready))
    yield from gauge("paused", "Whether frames are thrown away.", _one(status.wanted.paused))
    yield from gauge("uptime_seconds", "Since the daemon's start.", _one(status.uptime_s))
    stale = "What has changed since the profile was measured."
    yield from gauge("stale_reasons", stale, _one(len(status.stale)))
    yield from counter("pictures", "Pictures inferred on request.", _one(status.pictures))
    yield from gauge(
        "log_problem", "Whether decisions can not be logged.", _one(bool(status.log_problem))
    )


def _limits(limits: Limits) -> Iterator[Any]:
    for name, text, field in _LIMITS:
        yield from gauge(f"limit_{name}", text, _one(getattr(limits, field)))


def _telemetry(sample: TelemetrySample) -> Iterator[Any]:
    made: dict[str, str] = {"provenance": sample.provenance}
    module: list[Labelled] = [({"rail": "module", **made}, sample.power_w)]
    rails: list[Labelled] = [
        ({"rail": name, **made}, value) for name, value in sample.rails_w.items()
    ]
    text = "Power of each rail; rail=module is the whole module, not to be added to the others."
    yield from gauge("power_watts", text, module + rails)
    zones = [({"zone": name, **made}, value) for name, value in sample.zones_c.items()]
    yield from gauge("temperature_celsius", "Temperature of each thermal zone.", zones)
    hottest = "Temperature of the hottest zone."
    yield from gauge("hottest_temperature_celsius", hottest, [(made, sample.temp_c)])
    yield from gauge(
        "telemetry_age_seconds", "Age of the newest sample.", _one(sample.age_s, **made)
    )
    yield from gauge("throttled", "Whether the board slows down.", [(made, sample.throttled)])
    yield from gauge(
        "clock_ratio", "Clock over its cap in this mode.", [(made, sample.clock_ratio)]
    )
    clocks = [({"clock": name, **made}, value) for name, value in sample.clocks_hz.items()]
    yield from gauge("clock_hertz", "Clocks.", clocks)
    used = [({"unit": name, **made}, value) for name, value in sample.utilisation.items()]
    yield from gauge("utilisation_ratio", "How busy a unit of the board is.", used)
    yield from gauge("fan_ratio", "The fan's speed over its most.", [(made, sample.fan_ratio)])
    memory = [({"state": "used", **made}, sample.memory_used_bytes)]
    memory += [({"state": "total", **made}, sample.memory_total_bytes)]
    yield from gauge("board_memory_bytes", "Memory of the board.", memory)
    events = [
        ({"cause": cause, **made}, count) for cause, count in sample.over_current_events.items()
    ]
    yield from counter("over_current_events", "Since the board's start, by cause.", events)


def _decision(status: ServiceStatus, provenance: str) -> Iterator[Any]:
    made, numbers = {"provenance": provenance}, status.numbers
    gaps = "Times that telemetry was lost."
    yield from counter("telemetry_gaps", gaps, _one(status.telemetry_gaps))
    if provenance:
        text = "Energy since the daemon's start, of the whole board."
        yield from counter("energy_joules", text, [(made, status.energy_j)])
    modelled = {"provenance": "modelled"}
    ahead = "The die's temperature in edgert_temperature_forecast_horizon_seconds."
    yield from gauge("temperature_forecast_celsius", ahead, [(modelled, status.forecast_c)])
    if status.forecast_c is not None:
        horizon = "How far the forecast looks ahead."
        yield from gauge("temperature_forecast_horizon_seconds", horizon, _one(status.forecast_s))
    caps: list[Labelled] = [({"bound": "hold"}, numbers.get("cap_w"))]
    caps.append(({"bound": "enter"}, numbers.get("enter_cap_w")))
    yield from gauge("power_cap_watts", "What heat, budget and energy leave to draw.", caps)
    for name, text, key in _NUMBERS:
        yield from gauge(name, text, _one(numbers.get(key)))
    expected = "Power that the active configuration is expected to draw."
    yield from gauge(
        "expected_power_watts", expected, [(modelled, numbers.get("expected_power_w"))]
    )
    slow = "Latency that was expected of the last frame, with its margin."
    yield from gauge("expected_latency_seconds", slow, _one(numbers.get("expected_latency_s")))


def _streams(streams: list[StreamStatus]) -> Iterator[Any]:
    def each(field: str, *, source: bool = False) -> list[Labelled]:
        return [
            ({"stream": one.name}, getattr(one.source if source else one, field))
            for one in streams
        ]

    # A file that was played to its end is not down, and nobody has to be called.
    going = [one for one in streams if one.source.state != "ended"]
    running = [({"stream": one.name}, float(one.source.state == "running")) for one in going]
    up = "Whether frames come; no sample of a file that was played to its end."
    yield from gauge("stream_up", up, running)
    yield from counter(
        "stream_reconnects", "Connections after the first.", each("reconnects", source=True)
    )
    yield from counter("stream_decoded_frames", "Frames decoded.", each("decoded", source=True))
    yield from counter(
        "stream_damaged", "Places that could not be decoded.", each("damaged", source=True)
    )
    age = "Since the newest frame came."
    yield from gauge("stream_frame_age_seconds", age, each("last_frame_age_s", source=True))
    dropped = [
        ({"stream": one.name, "cause": cause}, count)
        for one in streams
        for cause, count in one.source.dropped.items()
    ]
    yield from counter("frames_dropped", "Decoded frames that nobody got.", dropped)
    yield from counter("frames_skipped", "Frames that the controller left out.", each("skipped"))
    yield from counter("deadline_misses", "Frames that were late.", each("misses"))
    yield from gauge("served_frames_per_second", "Over the last seconds.", each("served_fps"))
    broken = [({"stream": one.name}, float(bool(one.sink_problem))) for one in streams]
    yield from gauge("sink_problem", "Whether pictures can not be written.", broken)


def _configurations(configurations: list[ConfigurationStatus]) -> Iterator[Any]:
    def each(field: str) -> list[Labelled]:
        return [({"configuration": one.name}, getattr(one, field)) for one in configurations]

    yield from gauge("configuration_active", "Whether it runs now.", each("active"))
    yield from gauge("configuration_resident", "Whether it is loaded.", each("resident"))
    now = "What it would take on the board as it is now."
    yield from gauge("configuration_expected_latency_seconds", now, each("expected_latency_s"))
    rated = [
        ({"configuration": one.name, "metric": one.metric}, one.accuracy) for one in configurations
    ]
    yield from gauge("configuration_accuracy", "By its profile.", rated)
    bounds: list[Labelled] = [
        ({"configuration": one.name, "bound": bound}, getattr(one.agreement, bound, None))
        for one in configurations
        for bound in ("low", "high")
    ]
    agreed: list[Labelled] = [
        ({"configuration": one.name}, getattr(one.agreement, "mean", None))
        for one in configurations
    ]
    yield from gauge("agreement_ratio", "With the full configuration, on live frames.", agreed)
    yield from gauge("agreement_bound_ratio", "95 % interval of edgert_agreement_ratio.", bounds)
    frames: list[Labelled] = [
        ({"configuration": one.name}, getattr(one.agreement, "frames", None))
        for one in configurations
    ]
    yield from gauge("agreement_frames", "Frames behind edgert_agreement_ratio.", frames)


def _shadow(shadow: ShadowStatus, provenance: str) -> Iterator[Any]:
    yield from counter("shadow_runs", "Runs of the full configuration.", _one(shadow.runs))
    refused = [({"reason": reason}, count) for reason, count in shadow.refused.items()]
    yield from counter("shadow_refused", "Runs that were due and not made.", refused)
    yield from counter("shadow_busy_seconds", "Time in shadow runs.", _one(shadow.busy_s))
    if provenance:
        spent: list[Labelled] = [({"provenance": provenance}, shadow.energy_j)]
        yield from counter("shadow_energy_joules", "Energy of shadow runs.", spent)
    yield from counter(
        "shadow_delayed_frames", "Frames that waited for one.", _one(shadow.delayed_frames)
    )
    yield from counter("shadow_delay_seconds", "What they waited.", _one(shadow.delay_s))
