"""Figures for Prometheus, in base units, in a registry of their own.

What happens per frame is counted as it happens (`see_frame`); everything else is read from the
service's status when somebody asks. A gap is an absent sample, never zero and never NaN. Power,
energy and temperature carry their provenance: an emulated figure never looks measured.
"""

import math
import threading
from collections.abc import Iterable
from typing import Any, Protocol

from edgert.daemon.status_metrics import families_from
from edgert.daemon.switch_reasons import CLASSES, switch_reason_class
from edgert.optional import needs
from edgert.records import ConfigurationStatus, FrameLog, ServiceStatus

# Seconds: from an eighth of a frame at 60 a second to what nobody calls live any more.
BUCKETS_S = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 5.0)


class SeenFrame(Protocol):
    """What is needed of a ServedFrame of runtime/stream_loop.py."""

    @property
    def stream(self) -> str:
        """Its stream's name."""
        ...

    @property
    def line(self) -> FrameLog:
        """What was decided, and what came of it."""
        ...

    @property
    def wait_s(self) -> float:
        """From its arrival to its turn."""
        ...


class Metrics:
    """What /metrics shows; any thread may call anything.

    Args:
        process: Whether this process's memory, time and files are shown too.

    Raises:
        MissingDependencyError: prometheus-client is not installed.
    """

    def __init__(self, *, process: bool = True) -> None:
        client = needs("prometheus_client", "serve", "to show metrics")
        self._generate = client.generate_latest
        self._status_registry = client.CollectorRegistry(auto_describe=False)
        self._frame_registry = client.CollectorRegistry(auto_describe=False)
        frames: dict[str, Any] = {"registry": self._frame_registry}
        self._latency = client.Histogram(
            "edgert_frame_latency_seconds",
            "Preprocessing and inference of one frame.",
            ["stream"],
            buckets=BUCKETS_S,
            **frames,
        )
        self._wait = client.Histogram(
            "edgert_frame_wait_seconds",
            "From a frame's arrival to its turn.",
            ["stream"],
            buckets=BUCKETS_S,
            **frames,
        )
        self._frames = client.Counter(
            "edgert_frames", "Frames served.", ["stream", "configuration"], **frames
        )
        self._switches = client.Counter(
            "edgert_engine_switches",
            "Switches to another configuration, by what was decisive.",
            ["reason"],
            **frames,
        )
        for reason in CLASSES:
            self._switches.labels(reason)  # shown from the start, so that an increase is seen
        if process:
            client.ProcessCollector(registry=self._frame_registry)
        self._status = _StatusCollector()
        self._status_registry.register(self._status)
        self._rendering = threading.Lock()
        self._children: dict[tuple[str, str], tuple[Any, Any, Any]] = {}

    def see_frame(self, frame: SeenFrame) -> None:
        """Count a frame: 2.2 µs, 9 µs with a switch (2 vCPU x86-64, November 2026)."""
        line = frame.line
        if line.switched:
            self._switches.labels(switch_reason_class(line.reason)).inc()
        if line.latency_s is None:  # skipped: it is counted by the stream's status
            return
        key = (frame.stream, line.configuration)
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = (
                self._latency.labels(frame.stream),
                self._wait.labels(frame.stream),
                self._frames.labels(*key),
            )
        latency, wait, count = children
        if math.isfinite(line.latency_s):
            latency.observe(line.latency_s)
        if math.isfinite(frame.wait_s):
            wait.observe(frame.wait_s)
        count.inc()

    def render(
        self, status: ServiceStatus, configurations: Iterable[ConfigurationStatus]
    ) -> bytes:
        """Everything, in Prometheus' text format 0.0.4."""
        with self._rendering:
            self._status.current = (status, list(configurations))
            text: bytes = self._generate(self._status_registry)
            return text + bytes(self._generate(self._frame_registry))


class _StatusCollector:
    """Hands the status that was last asked for to prometheus-client."""

    current: tuple[ServiceStatus, list[ConfigurationStatus]] | None = None
    _provenance = ""  # of the last sample there was: a total outlives the sensors' gaps

    def collect(self) -> Iterable[Any]:
        if self.current is None:
            return
        status, configurations = self.current
        if status.telemetry is not None:
            self._provenance = status.telemetry.provenance
        yield from families_from(status, configurations, provenance=self._provenance)
