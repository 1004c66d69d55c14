"""What the frame loop costs over a bare loop that does the same work by hand.

Both decode the same clip, preprocess, run the same loaded engine, draw the same overlay and write
an mp4 with the same encoder settings. The bare loop is what one would write without edgert: PyAV
in one thread, no controller, no telemetry, no log. Rounds take turns; the ratio of each pair of
rounds is what counts, as the machine drifts.
"""

import argparse
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgert.artifacts import load_family
from edgert.backends import open_backend
from edgert.clock import MonotonicClock
from edgert.control import open_controller
from edgert.emulator.board import EmulatedBoard, loads_from_profile, read_board_spec
from edgert.opening.families import open_built
from edgert.optional import needs
from edgert.pool import Pool
from edgert.preprocess import Preprocessor
from edgert.records import Family, Limits, Profile, ProfileEntry, RunHeader
from edgert.runtime import FrameLoop
from edgert.video.overlay import Overlay, StripText
from edgert.video.sink import open_sink
from edgert.video.source import open_source

_BOARD = Path("profiles") / "boards" / "emulated-orin-nano.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("family", type=Path, help="a family's folder, built")
    parser.add_argument("clip", help="a video file")
    parser.add_argument("--frames", type=int, default=100, help="in a round")
    parser.add_argument("--rounds", type=int, default=7)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time both loops in turns."""
    folder = load_family(arguments.family)
    backend = open_backend("onnxruntime")
    bare_s: list[float] = []
    ours_s: list[float] = []
    with (
        Pool.open(open_built(folder, backend), backend) as pool,
        tempfile.TemporaryDirectory() as out,
    ):
        for round_number in range(arguments.rounds + 1):
            output = Path(out) / f"{round_number}.mp4"
            pair = (
                bare_loop(folder.family, pool, arguments.clip, arguments.frames, output),
                frame_loop(folder.family, pool, arguments.clip, arguments.frames, output),
            )
            if round_number:  # the first round warms caches and codecs up
                bare_s.append(pair[0])
                ours_s.append(pair[1])
    ratios = [ours / bare for ours, bare in zip(ours_s, bare_s, strict=True)]
    return {
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "bare_ms_per_frame": 1e3 * statistics.median(bare_s) / arguments.frames,
        "edgert_ms_per_frame": 1e3 * statistics.median(ours_s) / arguments.frames,
        "ratio_median": statistics.median(ratios),
        "ratio_least": min(ratios),
        "ratio_most": max(ratios),
    }


def text_from(result: dict[str, Any]) -> str:
    """The result in two lines."""
    return (
        f"bare loop  {result['bare_ms_per_frame']:.1f} ms a frame\n"
        f"FrameLoop  {result['edgert_ms_per_frame']:.1f} ms a frame, "
        f"{result['ratio_median']:.3f} times the bare loop "
        f"({result['ratio_least']:.3f} to {result['ratio_most']:.3f} over "
        f"{result['rounds']} rounds of {result['frames']} frames)"
    )


def bare_loop(family: Family, pool: Pool, clip: str, frames: int, output: Path) -> float:
    """Seconds that the loop one would write by hand takes."""
    av = needs("av", "video", "to read video")
    preprocess = Preprocessor(family.input)
    start_s = time.perf_counter()
    with av.open(clip) as source, av.open(str(output), "w") as sink:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        overlay = Overlay(family.labels, video.width, video.height)
        rate = Fraction(video.average_rate).limit_denominator(1001)
        stream = sink.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = overlay.width, overlay.height, "yuv420p"
        stream.codec_context.gop_size = round(rate)
        for index, frame in enumerate(source.decode(video)):
            if index == frames:
                break
            image = frame.to_ndarray(format="rgb24")
            before_s = time.perf_counter()
            logits = pool.run(preprocess(image))
            strip = StripText(pool.active, latency_s=time.perf_counter() - before_s)
            picture = overlay.draw(image, logits, strip)
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode())
    return time.perf_counter() - start_s


def frame_loop(family: Family, pool: Pool, clip: str, frames: int, output: Path) -> float:
    """Seconds that edgert takes, with everything switched on that a run has."""
    entry = ProfileEntry(name=pool.active, latency_s=0.05, power_w=10.0, energy_j=0.5, macs=1)
    profile = Profile(family=family.name, device="cpu", entries=[entry])
    limits = Limits(deadline_s=10.0, temp_c=200.0, power_w=100.0)
    start_s = time.perf_counter()
    clock = MonotonicClock()
    source = open_source(clip, max_frames=frames)
    overlay = Overlay(family.labels, source.width, source.height)
    loop = FrameLoop(
        source,
        pool,
        open_controller("ladder", profile, limits),
        preprocess=Preprocessor(family.input),
        sink=open_sink(output, fps=source.fps, width=overlay.width, height=overlay.height),
        overlay=overlay,
        board=EmulatedBoard(read_board_spec(_BOARD), clock, loads=loads_from_profile(profile)),
        clock=clock,
        limits=limits,
        log=output.with_suffix(".jsonl"),
        header=RunHeader(
            family=family.name,
            source=clip,
            device="cpu",
            controller="ladder",
            limits=limits,
            configurations=[pool.active],
        ),
    )
    summary = loop.run()
    duration_s = time.perf_counter() - start_s
    if summary.frames != frames or summary.skipped or summary.throttled_s:
        raise ValueError(f"the two loops did different work: {summary}")
    return duration_s
