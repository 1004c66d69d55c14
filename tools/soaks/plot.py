"""One picture of what the soaks left: memory, power and temperature, frames beside requests."""

import itertools
from pathlib import Path
from typing import Any

from edgert.report.style import BLUE, GREY, ORANGE, RED, drawn
from soaks.daemon import Json, json_lines


def draw(folder: Path, picture: Path) -> None:
    """Draw memory.jsonl, streams.jsonl and requests_flood.jsonl of a folder, those that are there.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    parts = [
        (draw_part, folder / name)
        for draw_part, name in (
            (_memory, "memory.jsonl"),
            (_power, "streams.jsonl"),
            (_heat, "streams.jsonl"),
            (_frames, "requests_flood.jsonl"),
        )
        if (folder / name).is_file()
    ]

    def fill(figure: Any) -> None:
        axes = figure.subplots(len(parts), 1, squeeze=False)
        for (draw_part, file), axis in zip(parts, axes[:, 0], strict=True):
            draw_part(axis, list(json_lines(file)))
            axis.legend(ncols=3, loc="best")

    picture.write_bytes(drawn(fill, size=(8.0, 2.4 * len(parts)), kind="png"))


def _memory(axis: Any, records: list[Json]) -> None:
    minutes = [one["time_s"] / 60 for one in records]
    axis.plot(minutes, [one["rss_mib"] for one in records], color=BLUE, label="RSS")
    axis.plot(minutes, [one["pss_mib"] for one in records], color=ORANGE, lw=0.8, label="PSS")
    exchanges = [
        later["time_s"] / 60
        for former, later in itertools.pairwise(records)
        if later["reloads"] > former["reloads"]
    ]
    for place, minute in enumerate(exchanges):
        axis.axvline(minute, color=GREY, lw=0.5, ls=":", label=None if place else "other engines")
    axis.set_ylim(bottom=0)
    axis.set(xlabel="minutes", ylabel="MiB", title="Memory of the daemon, measured")


def _power(axis: Any, records: list[Json]) -> None:
    reads = [one for one in records if one["kind"] == "read"]
    minutes = [one["time_s"] / 60 for one in reads]
    axis.plot(minutes, [one["power_w"] for one in reads], color=BLUE, lw=0.7, label="power")
    axis.step(minutes, [one["budget_w"] for one in reads], color=RED, where="post", label="budget")
    axis.set_ylim(bottom=0)
    axis.set(xlabel="minutes", ylabel="W", title="Four streams: power (emulated board)")


def _heat(axis: Any, records: list[Json]) -> None:
    reads = [one for one in records if one["kind"] == "read"]
    minutes = [one["time_s"] / 60 for one in reads]
    axis.plot(minutes, [one["temp_c"] for one in reads], color=BLUE, lw=0.9, label="temperature")
    axis.step(minutes, [one["limit_c"] for one in reads], color=RED, where="post", label="limit")
    axis.set(xlabel="minutes", ylabel="°C", title="Four streams: temperature (emulated board)")


def _frames(axis: Any, records: list[Json]) -> None:
    for kind, color, name in (("A", BLUE, "without"), ("B", ORANGE, "with requests")):
        latencies_ms = sorted(
            1000 * latency_s
            for one in records
            if one["kind"] == kind
            for latency_s in one["latencies_s"]
        )
        shares = [(place + 1) / len(latencies_ms) for place in range(len(latencies_ms))]
        axis.step(latencies_ms, shares, color=color, where="post", label=name)
    axis.set(
        xlabel="latency of a frame, ms",
        ylabel="share of frames",
        title="One stream, without and with as many requests as are answered",
    )
