"""Four streams through one set of engines for minutes, while power and temperature limits change.

Two patterns played as cameras, motion JPEG over HTTP, and a file of which every frame is served.
Limits change in eight steps. The board's power and temperature are read from the daemon's status
several times a second: the controller's own readings, emulated.

A budget that falls is broken until the sensors have seen what the cheaper engines draw, and a
limit on the temperature until the heat sink has cooled down. So what comes after a step is told
apart from the rest: power by windows of a second, of which the first three of a step don't count;
temperature by how long it took until it was below, and by readings above from then on.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soaks.daemon import FamilyCopy, Json, SoakDaemon, json_lines
from soaks.sources import MjpegCamera, write_video

_READ_S = 0.2
_WEIGH_S = 5.0
_SETTLE_S = 3.0
_PERIOD_S = 0.4
_STEPS: tuple[tuple[float, Json], ...] = (  # from this share of the time on
    (0.0, {"power_w": 12.0, "temp_c": 75.0}),
    (0.15, {"power_w": 8.0}),
    (0.3, {"power_w": 6.5}),
    (0.4, {"power_w": 12.0, "temp_c": 55.0}),
    (0.6, {"temp_c": 75.0}),
    (0.7, {"power_w": 7.5, "temp_c": 52.0}),
    (0.85, {"power_w": 5.5}),
    (0.93, {"power_w": 12.0, "temp_c": 75.0}),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The soak's arguments."""
    parser.add_argument("--seconds", type=float, default=600.0)


def run(arguments: argparse.Namespace, out: Path) -> None:
    """Run the soak; a line of JSON for each reading goes to `out` as it comes."""
    with tempfile.TemporaryDirectory() as name, out.open("w", encoding="utf-8") as file:
        folder = Path(name)
        family = FamilyCopy(arguments.family, arguments.profile, folder)
        write_video(folder / "clip.mp4", frames=500, fps=10)
        with (
            MjpegCamera(1 / _PERIOD_S) as camera,
            SoakDaemon(
                folder, _settings(arguments, family, camera), nice=arguments.nice
            ) as daemon,
        ):
            for record in _records(daemon, arguments.seconds):
                file.write(json.dumps(record) + "\n")
                file.flush()


def _settings(arguments: argparse.Namespace, family: FamilyCopy, camera: MjpegCamera) -> Json:
    pattern = "test://?width=320&height=240&fps={}&frames=200&seed={}"
    live = {"policy": "latest", "loops": 1_000_000}
    return {
        "family": str(family.path),
        "profile": str(family.profile_path),
        "board": arguments.board,
        "threads": 1,
        "limits": {"deadline_s": 0.1, "period_s": _PERIOD_S, **_STEPS[0][1]},
        "streams": [
            {"name": "north", "source": pattern.format(2.5, 1), **live},
            {"name": "south", "source": pattern.format(5, 2), **live},
            {"name": "gate", "source": camera.uri},
            {"name": "archive", "source": "clip.mp4", "policy": "all", "loops": 1_000_000},
        ],
    }


def _records(daemon: SoakDaemon, seconds: float) -> Iterator[Json]:
    begin_s = time.monotonic()
    steps = [(share * seconds, change) for share, change in _STEPS]
    weigh_s = 0.0
    status: Json = {}
    while (now_s := time.monotonic() - begin_s) < seconds:
        while steps and now_s >= steps[0][0]:
            change = steps.pop(0)[1]
            daemon.send("PATCH", "/v1/limits", change)
            yield {"kind": "step", "time_s": round(now_s, 2), **change}
        status = daemon.get("/v1/status")
        yield _reading(status, now_s)
        if now_s >= weigh_s:
            weigh_s += _WEIGH_S
            weight = {k: round(v, 2) for k, v in daemon.weight()._asdict().items()}
            yield {"kind": "weight", "time_s": round(now_s, 2), **weight, **_waits(status)}
        time.sleep(max(begin_s + now_s + _READ_S - time.monotonic(), 0.0))
    yield {
        "kind": "end",
        "time_s": round(now_s, 2),
        "streams": daemon.get("/v1/streams"),
        "status": {k: status[k] for k in ("frames", "skipped", "misses", "switches", "energy_j")},
        "ran": {one["name"]: one["frames"] for one in daemon.get("/v1/configurations")},
        "events": _counted(daemon.events()),
    }


def _reading(status: Json, now_s: float) -> Json:
    sample, limits = status.get("telemetry") or {}, status["wanted"]["limits"]
    return {
        "kind": "read",
        "time_s": round(now_s, 2),
        "sample_s": round(sample.get("time_s") or 0.0, 3),
        "power_w": round(sample["power_w"], 3) if sample.get("power_w") is not None else None,
        "temp_c": round(sample["temp_c"], 2) if sample.get("temp_c") is not None else None,
        "budget_w": limits["power_w"],
        "limit_c": limits["temp_c"],
        "configuration": status["configuration"],
        "switches": status["switches"],
    }


def _waits(status: Json) -> Json:
    waits = {s["name"]: [s["wait_median_s"], s["wait_p95_s"]] for s in status["streams"]}
    return {"waits": waits}


def _counted(events: list[Json]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for event in events:
        kinds[event["kind"]] = kinds.get(event["kind"], 0) + 1
    return kinds


def summary(out: Path, _: argparse.Namespace) -> Json:
    """What the readings of a soak say."""
    records = list(json_lines(out))
    reads = [one for one in records if one["kind"] == "read"]
    weights = [one for one in records if one["kind"] == "weight"]
    steps = [one for one in records if one["kind"] == "step"]
    [end] = [one for one in records if one["kind"] == "end"]
    return {
        "lasted_s": end["time_s"],
        **end["status"],
        "streams": {one["name"]: _stream(one, weights) for one in end["streams"]},
        "ran": end["ran"],
        "power": power_kept(reads, steps),
        "temperature": [heat_after(reads, step["time_s"], until) for step, until in _spans(steps)],
        "rss_mib": [weights[0]["rss_mib"], weights[-1]["rss_mib"]],
        "pss_mib": [weights[0]["pss_mib"], weights[-1]["pss_mib"]],
        "threads": [weights[0]["threads"], weights[-1]["threads"]],
        "files": [weights[0]["files"], weights[-1]["files"]],
    }


def _spans(steps: list[Json]) -> list[tuple[Json, float]]:
    ends_s = [step["time_s"] for step in steps[1:]] + [float("inf")]
    return list(zip(steps, ends_s, strict=True))


def _stream(stream: Json, weights: list[Json]) -> Json:
    name = stream["name"]
    waits = [one["waits"][name] for one in weights if one["waits"][name][0] is not None]
    return {
        **{key: stream[key] for key in ("served", "skipped", "misses")},
        "dropped": stream["source"]["dropped"],
        "decoded": stream["source"]["decoded"],
        "wait_median_s": statistics.median(one[0] for one in waits) if waits else None,
        "wait_p95_s": max(one[1] for one in waits) if waits else None,
    }


def power_kept(reads: list[Json], steps: list[Json]) -> Json:
    """How often the power, averaged over a second, was over the budget, and by how much.

    Windows in which the budget changed, and those of the first seconds after that, are told apart.
    """
    changes_s = [step["time_s"] for step in steps if "power_w" in step]
    windows: dict[int, list[Json]] = {}
    seen = None
    for read in reads:
        if read["power_w"] is not None and read["budget_w"] and read["sample_s"] != seen:
            windows.setdefault(int(read["time_s"]), []).append(read)
            seen = read["sample_s"]
    settled, over, over_w, settling_over = 0, 0, [0.0], 0
    for second, found in windows.items():
        excess_w = statistics.fmean(r["power_w"] for r in found) - found[-1]["budget_w"]
        if any(second + 1 > at_s > second - _SETTLE_S for at_s in changes_s):
            settling_over += excess_w > 0
            continue
        settled += 1
        over += excess_w > 0
        over_w.append(excess_w)
    return {
        "windows": settled,
        "over": over,
        "most_over_w": round(max(over_w), 3),
        "over_while_settling": settling_over,
    }


def heat_after(reads: list[Json], from_s: float, until_s: float) -> Json:
    """Of one step: how long until the temperature was below its limit, and what came then."""
    found = [r for r in reads if from_s < r["time_s"] < until_s and r["temp_c"] is not None]
    below = next((r["time_s"] for r in found if r["temp_c"] <= r["limit_c"]), None)
    after = [] if below is None else [r for r in found if r["time_s"] >= below]
    over = [r["temp_c"] - r["limit_c"] for r in after if r["temp_c"] > r["limit_c"]]
    return {
        "limit_c": found[0]["limit_c"] if found else None,
        "start_c": found[0]["temp_c"] if found else None,
        "below_after_s": None if below is None else round(below - from_s, 1),
        "readings_after": len(after),
        "over_after": len(over),
        "most_over_k": round(max(over, default=0.0), 2),
    }


def text_from(found: Json) -> str:
    """The summary as a table."""
    lines = [
        f"{found['lasted_s']:.0f} s: {found['frames']} frames, {found['misses']} late, "
        f"{found['skipped']} left out by the controller, {found['switches']} switches"
    ]
    lines += [_stream_line(name, one) for name, one in found["streams"].items()]
    power = found["power"]
    lines.append(
        f"power (emulated) over the budget in {power['over']} of {power['windows']} seconds "
        f"(by {power['most_over_w']:.2f} W at most), and in {power['over_while_settling']} within "
        f"{_SETTLE_S:.0f} s of a new budget"
    )
    lines += [
        f"limit {one['limit_c']} °C (emulated), {one['start_c']} °C at first: below after "
        f"{one['below_after_s']} s, then over it in {one['over_after']} of "
        f"{one['readings_after']} readings, by {one['most_over_k']} K at most"
        for one in found["temperature"]
    ]
    lines += [
        f"{name}: {found[name][0]:g} at first, {found[name][1]:g} at the end"
        for name in ("rss_mib", "pss_mib", "threads", "files")
    ]
    ran = ", ".join(f"{name} {count}" for name, count in found["ran"].items() if count)
    return "\n".join([*lines, f"frames by configuration: {ran}"])


def _stream_line(name: str, one: dict[str, Any]) -> str:
    dropped = ", ".join(f"{count} {cause}" for cause, count in one["dropped"].items()) or "none"
    waits = [one["wait_median_s"], one["wait_p95_s"]]
    median, p95 = (f"{1000 * w:.1f} ms" if w is not None else "unknown" for w in waits)
    return (
        f"{name}: {one['decoded']} decoded, {one['served']} served, {one['misses']} late, "
        f"dropped: {dropped}; waited {median} (median), {p95} (worst p95 of 300 frames)"
    )
