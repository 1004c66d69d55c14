"""Whether a daemon's memory stays flat: half an hour of all that may grow, and a line through it.

Two streams at a low rate, one of which breaks off and comes back each minute; a watcher of events
and one of live pictures; status and metrics polled; a limit changed now and then; another set of
engines and back every two minutes. Memory, threads and open files are read every few seconds.

The line: exchanges of engines make memory go up and down, so that neighbouring readings say the
same twice. One number is taken of each span between two exchanges, the median; the slope is that
of the least squares through them, its 95 % interval Student's.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError, EdgertError
from soaks.daemon import FamilyCopy, Json, SoakDaemon, json_lines
from soaks.sources import MjpegCamera

_WARM_S = 300.0  # what comes before is not part of the line
_STUDENT_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
_FIGURES = ("rss_mib", "pss_mib", "threads", "files")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The soak's arguments."""
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--fps", type=float, default=1.0, help="of each of both streams")
    parser.add_argument("--reload-s", type=float, default=120.0)
    parser.add_argument("--cut-s", type=float, default=60.0, help="from one cut to the next")
    parser.add_argument("--sample-s", type=float, default=5.0)
    parser.add_argument("--warm-s", type=float, default=_WARM_S)


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Run the soak; a line of JSON for each reading goes to `out` as it comes."""
    with tempfile.TemporaryDirectory() as name, out.open("w", encoding="utf-8") as file:
        folder = Path(name)
        family = FamilyCopy(arguments.family, arguments.profile, folder)
        with MjpegCamera(arguments.fps) as camera:
            settings = _settings(arguments, family, camera)
            with SoakDaemon(folder, settings, nice=arguments.nice) as daemon:
                soak = MemorySoak(daemon, family, camera, arguments)
                for record in soak.records():
                    file.write(json.dumps(record) + "\n")
                    file.flush()


def _settings(arguments: argparse.Namespace, family: FamilyCopy, camera: MjpegCamera) -> Json:
    fps = arguments.fps
    return {
        "family": str(family.path),
        "profile": str(family.profile_path),
        "board": arguments.board,
        "threads": 1,
        "limits": {"deadline_s": 0.5},
        "shadow": {"share": 0.1},
        # Files of decisions are exchanged too, several times.
        "daemon": {"log_bytes": 200_000, "log_files": 3},
        "streams": [
            {"name": "pattern", "source": f"test://?width=320&height=240&fps={fps:g}",
             "policy": "latest", "loops": 1_000_000},
            {"name": "camera", "source": camera.uri},
        ],
    }  # fmt: skip


class MemorySoak:
    """What is done to a daemon, and what is read of it."""

    def __init__(
        self,
        daemon: SoakDaemon,
        family: FamilyCopy,
        camera: MjpegCamera,
        arguments: argparse.Namespace,
    ) -> None:
        self._daemon, self._family, self._camera = daemon, family, camera
        self._arguments = arguments
        self._stop = threading.Event()
        self._counts = {"events": 0, "picture_bytes": 0, "reloads": 0, "cuts": 0, "polls": 0}
        self._counts["changes"] = 0

    def records(self) -> Any:
        """Do all of it, and yield a record for each reading."""
        watchers = [
            threading.Thread(target=self._watch, args=(path, key), daemon=True)
            for path, key in (
                ("/v1/events", "events"),
                ("/v1/streams/pattern/video.mjpeg", "picture_bytes"),
            )
        ]
        for thread in watchers:
            thread.start()
        errands = threading.Thread(target=self._errands, daemon=True)
        errands.start()
        begin_s, asked = time.monotonic(), self._arguments
        readings = 0
        while (now_s := time.monotonic() - begin_s) < asked.seconds:
            status = self._daemon.get("/v1/status")
            yield {
                "time_s": round(now_s, 2),
                **{k: round(v, 3) for k, v in self._daemon.weight()._asdict().items()},
                **self._counts,
                "frames": status["frames"],
                "switches": status["switches"],
                "reconnects": sum(s["source"]["reconnects"] for s in status["streams"]),
                "set": status["engine_set"][:8],
                "shadow_runs": (status["shadow"] or {}).get("runs", 0),
            }
            readings += 1
            next_s = begin_s + readings * asked.sample_s
            time.sleep(max(next_s - time.monotonic(), 0.0))
            if not errands.is_alive():
                raise ArtifactError(
                    "soak a daemon", expected="all errands done", got="one that failed",
                    advice="See above",
                )  # fmt: skip
        self._stop.set()
        errands.join()

    def _watch(self, path: str, key: str) -> None:
        """Read what comes, for as long as it comes; then connect again."""
        while not self._stop.is_set():
            with contextlib.suppress(OSError), contextlib.closing(self._daemon.connect()) as one:
                one.request("GET", path)
                answer = one.getresponse()
                while part := answer.read1(1 << 16):
                    self._counts[key] += part.count(b"event:") if key == "events" else len(part)
                    if self._stop.is_set():
                        return
            self._stop.wait(0.5)

    def _errands(self) -> None:
        """Poll, change, reload, cut: each in its time."""
        asked = self._arguments
        due: dict[Any, tuple[float, float]] = {
            self._poll: (1.0, 1.0),
            self._change: (20.0, 20.0),
            self._reload: (asked.reload_s, asked.reload_s),
            self._cut: (asked.cut_s, asked.cut_s),
        }
        begin_s = time.monotonic()
        while not self._stop.wait(0.2):
            now_s = time.monotonic() - begin_s
            for work, (next_s, every_s) in due.items():
                if now_s >= next_s:
                    due[work] = (next_s + every_s, every_s)
                    work()

    def _poll(self) -> None:
        with contextlib.closing(self._daemon.connect()) as one:
            for path in ("/v1/status", "/metrics", "/v1/configurations"):
                one.ask("GET", path)
        self._counts["polls"] += 3

    def _change(self) -> None:
        self._counts["changes"] += 1
        power_w = (7.0, 9.0, None)[self._counts["changes"] % 3]
        self._daemon.send("PATCH", "/v1/limits", {"power_w": power_w})

    def _reload(self) -> None:
        self._family.exchange()
        self._daemon.send("POST", "/v1/reload", {})
        self._counts["reloads"] += 1

    def _cut(self) -> None:
        self._camera.cut()
        self._stop.wait(3.0)
        self._camera.connect()
        self._counts["cuts"] += 1


def line_through(times_s: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Slope per hour, and half of its 95 % interval.

    Raises:
        ArtifactError: Fewer than three points.
    """
    count = len(times_s)
    if count < 3:
        raise ArtifactError(
            "draw a line", expected="three points or more", got=str(count),
            advice="Let it run longer",
        )  # fmt: skip
    hours = [time_s / 3600 for time_s in times_s]
    middle, mean = statistics.fmean(hours), statistics.fmean(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    pairs = list(zip(hours, values, strict=True))
    slope = sum((hour - middle) * (value - mean) for hour, value in pairs) / spread
    rest = sum((value - mean - slope * (hour - middle)) ** 2 for hour, value in pairs)
    freedom = count - 2
    student = _STUDENT_95[min(freedom, len(_STUDENT_95)) - 1]
    return slope, student * (rest / freedom / spread) ** 0.5


def spans_of(records: Sequence[Json], figure: str, *, warm_s: float) -> list[tuple[float, float]]:
    """Time and median of a figure for each span between two exchanges, after the warm-up."""
    spans: dict[int, list[Json]] = {}
    for record in records:
        if record["time_s"] >= warm_s:
            spans.setdefault(record["reloads"], []).append(record)
    return [
        (
            statistics.fmean(record["time_s"] for record in span),
            statistics.median(record[figure] for record in span),
        )
        for span in spans.values()
        if len(span) >= 3
    ]


def summary(out: Path, arguments: argparse.Namespace) -> Json:
    """What the readings of a soak say."""
    warm_s = arguments.warm_s
    records = list(json_lines(out))
    if not records:
        raise EdgertError("sum up a soak", expected="readings", got="none", advice="Run it")
    last = records[-1]
    found: Json = {
        "lasted_s": last["time_s"],
        **{key: last[key] for key in ("frames", "reloads", "cuts", "reconnects", "polls",
                                      "changes", "switches", "shadow_runs", "events")},
        "picture_mib": round(last["picture_bytes"] / (1 << 20), 1),
    }  # fmt: skip
    for figure in _FIGURES:
        spans = spans_of(records, figure, warm_s=warm_s)
        slope, half = line_through([time_s for time_s, _ in spans], [v for _, v in spans])
        warm = [record[figure] for record in records if record["time_s"] >= warm_s]
        found[figure] = {
            "first": records[0][figure],
            "after_warm_up": warm[0],
            "last": last[figure],
            "least": min(warm),
            "most": max(warm),
            "spans": len(spans),
            "slope_per_hour": round(slope, 3),
            "half_interval": round(half, 3),
        }
    return found


def text_from(found: Json) -> str:
    """The summary as a table."""
    lines = [
        f"{found['lasted_s'] / 60:.1f} min: {found['frames']} frames, {found['reloads']} "
        f"exchanges of engines, {found['reconnects']} reconnections, {found['changes']} changes "
        f"of a limit, {found['polls']} requests, {found['events']} events and "
        f"{found['picture_mib']} MiB of pictures watched",
        f"{'':10}{'first':>9}{'after':>9}{'last':>9}{'least':>9}{'most':>9}  slope an hour",
    ]
    for figure in _FIGURES:
        one = found[figure]
        cells = "".join(
            f"{one[key]:9.1f}" for key in ("first", "after_warm_up", "last", "least", "most")
        )
        lines.append(
            f"{figure:10}{cells}  {one['slope_per_hour']:+.2f} ± {one['half_interval']:.2f}"
        )
    return "\n".join(lines)
