"""Status of a daemon, put together from what its parts tell."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

import edgert
from edgert.daemon.engines import Engines
from edgert.daemon.events import unix_now_s
from edgert.records import (
    Agreement,
    ConfigurationStatus,
    ProfileEntry,
    ServiceState,
    ServiceStatus,
    TelemetrySample,
    Wanted,
)
from edgert.runtime.figures import LoopFigures
from edgert.settings import Settings


class Moment(NamedTuple):
    """What the service itself knows at one moment.

    Attributes:
        state: What it does.
        ready: Frames are served, or would be.
        reasons: Why it is not ready, or what is wrong although it is.
        uptime_s: Since it began.
        now_s: On the clock of samples.
        wanted: What is asked for.
        sample: Of the board, the newest that there is.
    """

    state: ServiceState
    ready: bool
    reasons: list[str]
    uptime_s: float
    now_s: float
    wanted: Wanted
    sample: TelemetrySample | None


def bare_status(moment: Moment, settings: Settings) -> ServiceStatus:
    """Of a daemon without engines, or whose engines are being loaded."""
    return ServiceStatus(
        version=edgert.__version__,
        state=moment.state,
        ready=moment.ready,
        reasons=moment.reasons,
        uptime_s=moment.uptime_s,
        unix_s=unix_now_s(),
        board=settings.board,
        wanted=moment.wanted,
        telemetry=_aged(moment.sample, moment.now_s),
    )


def full_status(
    moment: Moment, settings: Settings, engines: Engines, figures: LoopFigures
) -> ServiceStatus:
    """Of a daemon that serves."""
    return msgspec.structs.replace(
        bare_status(moment, settings),
        family=engines.found.family.name,
        device=engines.device,
        engine_set=engines.found.stored.id,
        stale=engines.found.stale,
        controller=settings.controller,
        configuration=figures.active,
        reason=figures.reason,
        telemetry=_aged(figures.telemetry or moment.sample, moment.now_s),
        telemetry_gaps=figures.telemetry_gaps,
        numbers=dict(figures.numbers),
        forecast_c=figures.forecast_c,
        forecast_s=figures.forecast_s if figures.forecast_c is not None else None,
        frames=figures.frames,
        skipped=figures.skipped,
        misses=figures.misses,
        switches=figures.switches,
        latency_s=figures.latency_s,
        latency_median_s=figures.latency_median_s,
        latency_p95_s=figures.latency_p95_s,
        energy_j=figures.energy_j,
        pictures=figures.pictures,
        streams=figures.streams,
        shadow=figures.shadow,
        log_problem=figures.log_problem,
    )


def configuration_statuses(
    engines: Engines, figures: LoopFigures, agreements: Mapping[str, Agreement]
) -> list[ConfigurationStatus]:
    """Every configuration, dearest first: its profile, and what was seen of it.

    `expected_latency_s` is the profile's times the slowdown that the controller has learned.
    """
    entries = {entry.name: entry for entry in engines.found.profile.entries}
    return [
        _configuration(name, entries.get(name), figures, agreements.get(name))
        for name in figures.names
    ]


def _configuration(
    name: str, entry: ProfileEntry | None, figures: LoopFigures, agreement: Agreement | None
) -> ConfigurationStatus:
    """Of one configuration; entry is None where it was never measured."""
    seen = ConfigurationStatus(
        name=name,
        resident=name in figures.resident,
        active=name == figures.active,
        absence=figures.absences.get(name, ""),
        agreement=agreement,
        frames=figures.ran.get(name, 0),
    )
    if entry is None:
        return seen
    slowdown = figures.numbers.get("slowdown")
    return msgspec.structs.replace(
        seen,
        latency_s=entry.latency_s,
        power_w=entry.power_w,
        energy_j=entry.energy_j,
        provenance=entry.energy_from,
        accuracy=entry.accuracy,
        metric=metric_from(entry.accuracy_from),
        expected_latency_s=None if slowdown is None else entry.latency_s * slowdown,
    )


def metric_from(accuracy_from: str) -> str:
    """What a profile's accuracy is, without the frames that it was seen on.

    "mIoU" of "mIoU on 101 frames of CamVid val", "agreement with full" of "agreement with full".
    """
    return re.split(r", | on | measured ", accuracy_from, maxsplit=1)[0]


def _aged(sample: TelemetrySample | None, now_s: float) -> TelemetrySample | None:
    if sample is None:
        return None
    return msgspec.structs.replace(sample, age_s=max(now_s - sample.time_s, 0.0))
