"""A complete Service without engines or streams: what doors are tested against.

Its status is plausible, of an emulated board, and may be replaced (`service.current = …`, or
`service.set(latency_s=0.03)`). Events are real; a picture is a real JPEG.
"""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edgert.clock import Clock, MonotonicClock
from edgert.daemon.events import EventLog, unix_now_s
from edgert.errors import EdgertError, ServiceBusyError, SettingsError
from edgert.records import (
    Agreement,
    ConfigurationStatus,
    Limits,
    PictureResult,
    ServiceStatus,
    ShadowStatus,
    SourceFigures,
    StreamStatus,
    TelemetrySample,
    Wanted,
    WantedChange,
)

NAMES = ("full", "c1212", "c805", "c798", "c630", "c559", "c462", "c388")  # dearest first
_LATENCIES_S = (0.0612, 0.0468, 0.0371, 0.0362, 0.0301, 0.0274, 0.0239, 0.0206)
_POWERS_W = (13.9, 12.8, 11.6, 11.5, 10.7, 10.2, 9.6, 8.9)
_ACCURACIES = (0.712, 0.704, 0.689, 0.687, 0.662, 0.648, 0.617, 0.583)
_LABELS = {"road": 0.41, "building": 0.32, "sky": 0.17, "tree": 0.1}


class FakePictures:
    """Implements daemon.base.Pictures: a counter drawn on a grey ground."""

    def __init__(self) -> None:
        self.number = 0
        self.closed = threading.Event()
        self.period_s = 0.02

    def newest(self, *, after: int = 0, timeout_s: float = 5.0) -> tuple[int, bytes] | None:
        if self.closed.is_set():
            return None
        self.number = max(self.number, after) + 1
        return self.number, jpeg(text=str(self.number))

    def watch(self) -> Iterator[bytes]:
        while not self.closed.wait(self.period_s):
            self.number += 1
            yield jpeg(text=str(self.number))


class FakeService:
    """Implements daemon.base.Service.

    Attributes:
        current: What `status` answers, but for uptime and wanted.
        busy: `infer` refuses.
        hold: `infer` and `reload` answer only when somebody completes `pending`.
        reload_error: What `reload` fails with.
        changes: All that `change` was asked, with by whom.
        images: All that `infer` was given.
    """

    def __init__(self, *, clock: Clock | None = None, kept: int = 1000) -> None:
        self._clock = clock or MonotonicClock()
        self._started_s = self._clock.now_s()
        self.events = EventLog(self._clock, kept=kept)
        self.wanted = Wanted(limits=Limits(deadline_s=0.05, power_w=12.0, temp_c=70.0))
        self.current = plausible_status(self._clock.now_s(), self.wanted)
        self.listed = plausible_configurations()
        self.live = {"yard": FakePictures(), "gate": FakePictures()}
        self.busy = self.hold = False
        self.reload_error: EdgertError | None = None
        self.pending: list[Future[Any]] = []
        self.changes: list[tuple[WantedChange, str]] = []
        self.images: list[NDArray[np.uint8]] = []
        self.events.add("service", "started")

    def set(self, **fields: Any) -> None:
        """Replace fields of the status."""
        self.current = msgspec.structs.replace(self.current, **fields)

    def status(self) -> ServiceStatus:
        return msgspec.structs.replace(
            self.current,
            uptime_s=self._clock.now_s() - self._started_s,
            unix_s=unix_now_s(),
            wanted=self.wanted,
        )

    def configurations(self) -> list[ConfigurationStatus]:
        active = self.current.configuration
        return [msgspec.structs.replace(c, active=c.name == active) for c in self.listed]

    def change(self, change: WantedChange, *, by: str) -> Wanted:
        fields = {
            name: value
            for name in change.__struct_fields__
            if (value := getattr(change, name)) is not msgspec.UNSET
        }
        top = {name: fields.pop(name) for name in ("pinned", "paused") if name in fields}
        pinned, names = top.get("pinned"), [c.name for c in self.listed]
        if pinned is not None and pinned not in names:
            raise SettingsError(
                "change limits at pinned",
                expected=f"one of {', '.join(names)}",
                got=repr(pinned),
                advice="Pin one of these, or null",
            )
        limits = msgspec.structs.replace(self.wanted.limits, **fields)
        if limits.energy_j is not None and limits.mission_s is None:
            raise SettingsError(
                "change limits at energy_j",
                expected="mission_s with it",
                got="none",
                advice="Say for how long the energy must last",
            )
        self.wanted = msgspec.structs.replace(self.wanted, limits=limits, **top)
        self.changes.append((change, by))
        self.events.add("limits", f"limits changed by {by}", **fields, **top)
        if pinned is not None and pinned != self.current.configuration:
            before = self.current.configuration
            self.set(configuration=pinned, reason=f"{pinned} is pinned by the operator")
            self.events.add("switch", self.current.reason, **{"from": before, "to": pinned})
        return self.wanted

    def infer(self, image: NDArray[np.uint8], *, with_map: bool) -> "Future[PictureResult]":
        if self.busy:
            raise ServiceBusyError(
                "run a picture",
                expected="fewer than 8 that wait",
                got="8",
                advice="Send it again in a second",
            )
        self.images.append(image)
        height, width = image.shape[:2]
        result = PictureResult(
            configuration=self.current.configuration,
            reason=self.current.reason,
            latency_s=0.031,
            wait_s=0.004,
            task="segmentation",
            width=width,
            height=height,
            labels=_LABELS,
            map_shape=[2, 2] if with_map else [],
            map_base64="AAECAw==" if with_map else "",
        )
        return self._future(result)

    def pictures(self, stream: str) -> FakePictures:
        return self.live[stream]

    def reload(self, *, by: str) -> "Future[str]":
        if self.reload_error is not None:
            future: Future[str] = Future()
            future.set_exception(self.reload_error)
            return future
        self.events.add("service", f"reloaded by {by}")
        return self._future("settings read again; the engines are the same")

    def _future(self, result: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.hold:
            self.pending.append(future)
        else:
            future.set_result(result)
        return future


def jpeg(*, width: int = 320, height: int = 240, text: str = "") -> bytes:
    """A picture as JPEG."""
    image = Image.new("RGB", (width, height), (70, 80, 90))
    ImageDraw.Draw(image).text((8, 8), text, fill=(255, 255, 255))
    content = io.BytesIO()
    image.save(content, "JPEG")
    return content.getvalue()


def check_counts(status: ServiceStatus) -> None:
    """What a status counts, real or not: `frames` has those that were skipped, too."""
    served = sum(stream.served for stream in status.streams)
    assert status.skipped == sum(stream.skipped for stream in status.streams)
    assert status.frames == served + status.skipped
    assert status.misses == sum(stream.misses for stream in status.streams) <= served


def plausible_configurations() -> list[ConfigurationStatus]:
    """Eight of the bundled family's, with figures as an emulated Orin Nano's might be."""
    table = zip(NAMES, _LATENCIES_S, _POWERS_W, _ACCURACIES, strict=True)
    return [
        ConfigurationStatus(
            name=name,
            resident=name != "c798",
            active=name == "c630",
            absence="not loaded: 48 MB more than is free" if name == "c798" else "",
            latency_s=latency_s,
            power_w=power_w,
            energy_j=latency_s * power_w,
            provenance="emulated",
            accuracy=accuracy,
            metric="mIoU",
            agreement=Agreement(mean=0.93, low=0.91, high=0.95, frames=212)
            if name == "c630"
            else None,
            frames={"full": 312, "c630": 7103, "c462": 480}.get(name, 0),
            expected_latency_s=latency_s * 1.12,
        )
        for name, latency_s, power_w, accuracy in table
    ]


def plausible_telemetry(now_s: float) -> TelemetrySample:
    """Of an emulated board."""
    return TelemetrySample(
        time_s=now_s,
        source="emulated",
        provenance="emulated",
        age_s=0.05,
        power_w=10.84,
        temp_c=63.25,
        rails_w={"VDD_IN": 10.84, "VDD_CPU_GPU_CV": 5.31, "VDD_SOC": 2.02},
        zones_c={"tj": 63.25, "cpu": 61.0, "gpu": 62.5},
        trip_points_c={"tj": {"passive": 99.0, "critical": 104.5}},
        clocks_hz={"gpu": 624e6, "cpu": 1.5104e9},
        clock_caps_hz={"gpu": 625e6, "cpu": 1.5104e9},
        clock_ratio=0.9984,
        utilisation={"gpu": 0.71},
        power_mode="15W",
        over_current_events={"oc1": 0, "oc3": 2},
        fan_ratio=0.42,
        memory_used_bytes=3_100_000_000,
        memory_total_bytes=8_000_000_000,
        throttled=False,
        gaps={"rail VDD_SOC2": "vanished"},
    )


def plausible_streams() -> list[StreamStatus]:
    """One that runs, one that is offline."""
    yard = SourceFigures(
        state="running",
        uri="rtsp://camera.example/yard",
        decoder="pyav",
        decoder_reason="GStreamer is not installed",
        live=True,
        width=1280,
        height=720,
        fps=15.0,
        decoded=8220,
        dropped={"newer frame": 312, "queue full": 4},
        reconnects=2,
        damaged=1,
        last_frame_age_s=0.03,
    )
    gate = SourceFigures(
        state="offline",
        reason="connect to rtsp://camera.example/gate: connection refused; tried again in 8 s",
        uri="rtsp://camera.example/gate",
        live=True,
        width=640,
        height=480,
        fps=10.0,
        decoded=410,
        reconnects=5,
        last_frame_age_s=41.5,
    )
    return [
        StreamStatus(
            name="yard",
            source=yard,
            sinks=["http://127.0.0.1:8090/"],
            served=7485,
            skipped=12,
            misses=9,
            served_fps=14.9,
            latency_median_s=0.0312,
            latency_p95_s=0.0371,
            wait_median_s=0.0021,
            wait_p95_s=0.0118,
        ),
        StreamStatus(name="gate", source=gate, served=410, served_fps=0.0, misses=1),
    ]


def plausible_status(now_s: float, wanted: Wanted) -> ServiceStatus:
    """An emulated board at work, warm, on a lower configuration than it would like."""
    return ServiceStatus(
        version="0.1.0",
        state="ready",
        ready=True,
        uptime_s=0.0,
        unix_s=unix_now_s(),
        family="segformer-b0-camvid",
        device="cpu-x86_64",
        board="emulated-orin-nano",
        engine_set="3f2a90c1",
        controller="predictive",
        configuration="c630",
        reason="hold c630: c805 would draw 11.62 W of 11.40 W (the budget of 12.00 W)",
        wanted=wanted,
        telemetry=plausible_telemetry(now_s),
        telemetry_gaps=3,
        numbers={
            "slowdown": 1.12,
            "margin_ratio": 0.08,
            "expected_latency_s": 0.0337,
            "expected_power_w": 10.71,
            "cap_w": 11.64,
            "enter_cap_w": 11.4,
            "ambient_c": 31.2,
        },
        forecast_c=64.1,
        forecast_s=30.0,
        frames=7907,
        skipped=12,
        misses=10,
        switches=23,
        latency_s=0.0318,
        latency_median_s=0.0312,
        latency_p95_s=0.0371,
        energy_j=9120.5,
        pictures=4,
        streams=plausible_streams(),
        shadow=ShadowStatus(
            runs=212,
            refused={"no time": 12},
            busy_s=13.1,
            energy_j=171.0,
            energy_from="telemetry",
            delayed_frames=3,
            delay_s=0.04,
        ),
    )
