"""Requests beside a stream: whether a frame comes later than without them.

One run of the daemon, one stream at a fixed period and a deadline that the engines hold. Rounds
without and with requests take turns as A B B A, so that a machine that gets slower or faster does
not look like an effect. In a round with requests several clients, in a process of their own, ask
for status, metrics, limits, events and configurations over connections that stay open; one request
in `--infer-every` is a picture to be inferred, which takes a turn of the loop as a frame does.

Latency and lateness of each frame are the daemon's own, from its decision log; what a frame waited
for its turn is the histogram's in /metrics, and how evenly frames were begun is seen from the log:
the time from one frame to the next.
"""

import argparse
import contextlib
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from edgert.errors import ArtifactError
from soaks.daemon import FamilyCopy, Json, SoakDaemon, cpu_s_of, json_lines

_ROUNDS = "ABBA"
_STREAM = "yard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The soak's arguments."""
    parser.add_argument("--requests", type=int, default=10_000, help="in all rounds together")
    parser.add_argument("--clients", type=int, default=4, help="connections at once")
    parser.add_argument("--rate", type=float, default=0.0, help="a second of all; 0: all they can")
    parser.add_argument("--cycles", type=int, default=2, help="of A B B A")
    parser.add_argument("--infer-every", type=int, default=100, help="0: no pictures")
    parser.add_argument("--period-s", type=float, default=0.1)
    parser.add_argument("--deadline-s", type=float, default=0.05)
    parser.add_argument("--pin", default="c462", help="the configuration that runs")
    parser.add_argument("--client-nice", type=int, default=5)
    parser.add_argument("--most-s", type=float, default=120.0, help="of a round")


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Run the rounds; what became of each frame and request goes to `out`."""
    with tempfile.TemporaryDirectory() as name, out.open("w", encoding="utf-8") as file:
        folder = Path(name)
        family = FamilyCopy(arguments.family, arguments.profile, folder)
        daemon = SoakDaemon(folder, _settings(arguments, family), nice=arguments.nice)
        with daemon:
            daemon.send("PATCH", "/v1/limits", {"pinned": arguments.pin or None})
            time.sleep(3.0)
            for record in _rounds(daemon, arguments):
                file.write(json.dumps(record) + "\n")
                file.flush()


def _settings(arguments: argparse.Namespace, family: FamilyCopy) -> Json:
    period_s = arguments.period_s
    return {
        "family": str(family.path),
        "profile": str(family.profile_path),
        "board": arguments.board,
        "threads": 1,
        "limits": {"deadline_s": arguments.deadline_s, "period_s": period_s},
        "daemon": {"log_bytes": 100_000_000},
        "streams": [
            {"name": _STREAM, "source": f"test://?width=320&height=240&fps={1 / period_s:g}",
             "policy": "latest", "loops": 1_000_000},
        ],
    }  # fmt: skip


def _rounds(daemon: SoakDaemon, arguments: argparse.Namespace) -> "Sequence[Json]":
    kinds = _ROUNDS * arguments.cycles
    each = math.ceil(arguments.requests / kinds.count("B"))
    records: list[Json] = []
    length_s = 10.0
    picture = daemon.folder / "picture.jpg"
    with contextlib.closing(daemon.connect()) as one:
        picture.write_bytes(one.ask("GET", f"/v1/streams/{_STREAM}/picture.jpg")[1])
    # The first round has to be as long as those with requests are going to be.
    trial = _ask(daemon, arguments, max(each // 20, 20), picture)
    length_s = min(max(length_s, each / trial["rate"]), arguments.most_s)
    for place, kind in enumerate(kinds):
        skipped = _lines(daemon)
        cpu_s, begin_s = cpu_s_of(daemon.pid), time.monotonic()
        asked = _ask(daemon, arguments, each, picture) if kind == "B" else None
        if asked is None:
            time.sleep(length_s)
        lasted_s = time.monotonic() - begin_s
        frames = [line for line in _lines(daemon)[len(skipped) :] if line.get("stream")]
        records.append(
            {
                "round": place,
                "kind": kind,
                "lasted_s": round(lasted_s, 3),
                "cpu_ratio": round((cpu_s_of(daemon.pid) - cpu_s) / lasted_s, 4),
                "latencies_s": [
                    round(one["latency_s"], 6) for one in frames if "latency_s" in one
                ],
                "late": sum(one.get("met_deadline") is False for one in frames),
                "skipped": sum(one.get("skip", False) for one in frames),
                "starts_s": [round(one["now_s"], 6) for one in frames],
                "requests": asked,
            }
        )
    return records


def _lines(daemon: SoakDaemon) -> list[Json]:
    """What the daemon has decided so far; it writes each line at once."""
    found = []
    for file in sorted((daemon.folder / "state" / "decisions").glob("*.jsonl")):
        found += [json.loads(text) for text in file.read_bytes().split(b"\n")[1:-1]]
    return found


def _ask(daemon: SoakDaemon, arguments: argparse.Namespace, count: int, picture: Path) -> Json:
    """Ask so often, from another process."""
    words = [
        "nice", "-n", str(arguments.client_nice),
        sys.executable, str(Path(__file__).parent.with_name("soak_client.py")),
        str(daemon.socket_path), "--requests", str(count), "--clients", str(arguments.clients),
        "--rate", str(arguments.rate), "--infer-every", str(arguments.infer_every),
        "--picture", str(picture),
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, check=False, text=True)
    if done.returncode:
        raise ArtifactError(
            "ask a daemon",
            expected="answers",
            got=done.stderr.strip()[-300:],
            advice="Look at the daemon's log",
        )
    found: Json = json.loads(done.stdout)
    return found


def summary(out: Path, _: argparse.Namespace) -> Json:
    """Frames without and with requests, and the requests."""
    records = list(json_lines(out))
    found: Json = {"rounds": len(records)}
    for kind, name in (("A", "without"), ("B", "with")):
        found[name] = _frames([one for one in records if one["kind"] == kind])
    asked = [one["requests"] for one in records if one["requests"]]
    found["requests"] = _requests(asked)
    return found


def _frames(rounds: list[Json]) -> Json:
    latencies_s = [latency_s for one in rounds for latency_s in one["latencies_s"]]
    gaps_s = [
        later - former
        for one in rounds
        for former, later in zip(one["starts_s"], one["starts_s"][1:], strict=False)
    ]
    return {
        "lasted_s": round(sum(one["lasted_s"] for one in rounds), 1),
        "frames": len(latencies_s),
        "late": sum(one["late"] for one in rounds),
        "skipped": sum(one["skipped"] for one in rounds),
        "cpu_ratio": round(statistics.fmean(one["cpu_ratio"] for one in rounds), 4),
        "latency_s": quantiles(latencies_s),
        "gap_s": quantiles(gaps_s),
        "latency_median_by_round_s": [statistics.median(one["latencies_s"]) for one in rounds],
    }


def _requests(asked: list[Json]) -> Json:
    by_kind: dict[str, list[float]] = {}
    for one in asked:
        for kind, took_s in one["took_s"].items():
            by_kind.setdefault(kind, []).extend(took_s)
    everything = [took_s for values in by_kind.values() for took_s in values]
    return {
        "count": len(everything),
        "refused": sum(one["refused"] for one in asked),
        "rate": round(len(everything) / sum(one["lasted_s"] for one in asked), 1),
        "took_s": quantiles(everything),
        "by_kind": {
            kind: {"count": len(values), **quantiles(values)} for kind, values in by_kind.items()
        },
    }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99 % quantile and the largest."""
    ordered = sorted(values)
    if not ordered:
        return {"median": math.nan, "p99": math.nan, "most": math.nan}
    return {
        "median": ordered[len(ordered) // 2],
        "p99": ordered[min(math.ceil(0.99 * len(ordered)) - 1, len(ordered) - 1)],
        "most": ordered[-1],
    }


def text_from(found: Json) -> str:
    """The summary as a table."""
    lines = [
        f"{'':9}{'seconds':>9}{'frames':>8}{'late':>6}{'core':>8}  latency: median, p99, most"
    ]
    for name in ("without", "with"):
        one = found[name]
        latency, gap = (
            ", ".join(f"{1000 * one[key][part]:.2f}" for part in ("median", "p99", "most"))
            for key in ("latency_s", "gap_s")
        )
        lines.append(
            f"{name:9}{one['lasted_s']:9.1f}{one['frames']:8}{one['late']:6}"
            f"{100 * one['cpu_ratio']:7.1f}%  {latency} ms; from frame to frame {gap} ms"
        )
    asked = found["requests"]
    took = ", ".join(f"{1000 * asked['took_s'][key]:.1f}" for key in ("median", "p99", "most"))
    lines.append(
        f"{asked['count']} requests, {asked['refused']} refused, {asked['rate']:.0f} a second; "
        f"took {took} ms (median, p99, most)"
    )
    lines += [
        f"  {kind}: {one['count']}, {1000 * one['median']:.1f}, {1000 * one['p99']:.1f}, "
        f"{1000 * one['most']:.1f} ms"
        for kind, one in asked["by_kind"].items()
    ]
    return "\n".join(lines)
