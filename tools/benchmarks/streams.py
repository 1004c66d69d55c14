"""What one turn of the loop of several streams costs beyond preprocessing and engine.

Frames lie ready in memory, and preprocessing and engine take next to no time, so what is measured
is the loop: taking turns, reading an emulated board, deciding with all limits on, booking, writing
the decision log, counting, telling a listener. A bare loop calls the same stand-ins without any of
it. Times are the thread's own on the CPU, so that others on the machine count less. Rounds take
turns; ratios are of pairs of rounds, as the machine drifts. The idle loop has the same streams,
none of which delivers, and reads the board once a second.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.clock import MonotonicClock
from edgert.control import open_controller
from edgert.emulator.board import EmulatedBoard, loads_from_profile, read_board_spec
from edgert.records import Limits, Profile, ProfileEntry, RunHeader, SourceFigures, Wanted
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.figures import ServedFrame
from edgert.runtime.serving import Serving
from edgert.runtime.stream import Stream
from edgert.runtime.stream_loop import StreamLoop
from edgert.video.frame import Frame

_BOARD = Path("profiles") / "boards" / "emulated-orin-nano.yaml"
_CLOCK = MonotonicClock()
_IMAGE = np.zeros((48, 64, 3), np.uint8)
_PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(
            name=f"c{place}",
            latency_s=0.002 + 0.001 * place,
            power_w=8.0 + place,
            macs=1000 * place,
            accuracy=0.5 + 0.04 * place,
        )
        for place in range(8, 0, -1)
    ],
)
# No period: a stream that has one rests, and it is turns that are timed here.
_LIMITS = Limits(deadline_s=0.1, power_w=30.0, temp_c=90.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--frames", type=int, default=3000, help="in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--idle-s", type=float, default=10.0, help="how long to look at idling")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time bare loop, one stream and four in turns; then the idle loop."""
    kinds: dict[str, Callable[[int], float]] = {
        "bare": bare_loop,
        "one": lambda frames: stream_loop(1, frames),
        "four": lambda frames: stream_loop(4, frames),
        "controller": controller_alone,
    }
    took_us: dict[str, list[float]] = {name: [] for name in kinds}
    for round_number in range(arguments.rounds + 1):
        for name, timed in kinds.items():
            each_us = 1e6 * timed(arguments.frames) / arguments.frames
            if round_number:  # the first round warms caches up
                took_us[name].append(each_us)
    ratios = [four / one for four, one in zip(took_us["four"], took_us["one"], strict=True)]
    return {
        "frames": arguments.frames,
        "rounds": arguments.rounds,
        "each_us": {name: _spread(values) for name, values in took_us.items()},
        "four_to_one": _spread(ratios),
        "idle": idle_loop(4, arguments.idle_s),
    }


def text_from(result: dict[str, Any]) -> str:
    """The result as a table."""
    words = {
        "bare": "bare loop over the same stand-ins",
        "one": "StreamLoop, 1 stream",
        "four": "StreamLoop, 4 streams",
        "controller": "of it: decide and observe, by themselves",
    }
    lines = [
        f"{words[name]:42} {each['median']:7.1f} us of CPU a frame "
        f"({each['least']:.1f} to {each['most']:.1f})"
        for name, each in result["each_us"].items()
    ]
    ratio, idle = result["four_to_one"], result["idle"]
    lines += [
        f"4 streams over 1: {ratio['median']:.3f} ({ratio['least']:.3f} to {ratio['most']:.3f}), "
        f"{result['rounds']} rounds of {result['frames']} frames",
        f"idle with 4 streams: {100 * idle['cpu_ratio']:.3f} % of a core, "
        f"{idle['wakes_per_s']:.1f} wake-ups a second over {idle['lasted_s']:.0f} s",
    ]
    return "\n".join(lines)


def bare_loop(frames: int) -> float:
    """CPU seconds that the stand-ins take without a loop around them."""
    source, engines = _Ready(frames), _Engines()
    start_s = time.thread_time()
    while (frame := source.poll()) is not None:
        engines.run(_preprocess(frame.image))
    return time.thread_time() - start_s


def stream_loop(streams: int, frames: int) -> float:
    """CPU seconds that so many frames take, spread over streams, with everything switched on."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [_Ready(frames // streams) for _ in range(streams)]
        loop = _loop(sources, Path(folder))
        start_s = time.thread_time()
        loop.run()
        return time.thread_time() - start_s


def controller_alone(frames: int) -> float:
    """CPU seconds that deciding and learning take on the same board, without a loop."""
    # Less what is not the controller's: the same without decisions.
    fixed = _serving(open_controller("fixed-dearest", _PROFILE, _LIMITS))
    return max(_serve(_serving(), frames) - _serve(fixed, frames), 0.0)


def _serve(serving: Serving, frames: int) -> float:
    """CPU seconds of so many frames."""
    start_s = time.thread_time()
    for index in range(frames):
        serving.serve(
            _IMAGE,
            index=index,
            now_s=_CLOCK.now_s(),
            begin_s=0.0,
            limits=_LIMITS,
            may_skip=False,
        )
    return time.thread_time() - start_s


def idle_loop(streams: int, lasts_s: float) -> dict[str, float]:
    """Share of a core, and wake-ups, of a loop that nobody brings a frame."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [_Ready(0) for _ in range(streams)]
        loop = _loop(sources, Path(folder))
        thread = threading.Thread(target=loop.run)
        thread.start()
        time.sleep(0.5)
        polls, cpu_s, start_s = sources[0].polls, time.process_time(), time.perf_counter()
        time.sleep(lasts_s)
        lasted_s = time.perf_counter() - start_s
        busy_s, woke = time.process_time() - cpu_s, sources[0].polls - polls
        loop.request_stop()
        thread.join()
    return {
        "lasted_s": lasted_s,
        "cpu_ratio": busy_s / lasted_s,
        "wakes_per_s": woke / lasted_s,
    }


class _Ready:
    """A source whose frames lie ready."""

    fps, in_own_time = 30.0, True

    def __init__(self, frames: int) -> None:
        self.left, self.index, self.polls = frames, 0, 0

    def poll(self) -> Frame | None:
        self.polls += 1
        if not self.left:
            return None
        self.left -= 1
        self.index += 1
        return Frame(self.index - 1, self.index / 30, _IMAGE, _CLOCK.now_s())

    def figures(self) -> SourceFigures:
        return SourceFigures(state="running", uri="memory")

    def on_news(self, wake: Callable[[], None]) -> None:
        wake()

    def stop(self) -> None:
        pass

    def close(self, timeout_s: float) -> None:
        pass


class _Engines:
    """Engines that take no time."""

    def __init__(self) -> None:
        self.names = self.resident = tuple(entry.name for entry in _PROFILE.entries)
        self.active = self.names[0]
        self._logits = np.zeros((1, 11, 16, 16), np.float32)

    def activate(self, name: str) -> str:
        self.active = name
        return name

    def absence(self, _name: str) -> str:
        return ""

    def run(self, _tensor: NDArray[np.float32]) -> NDArray[Any]:
        return self._logits

    def run_beside(self, _name: str, _tensor: NDArray[np.float32]) -> NDArray[Any]:
        return self._logits


_TENSOR = np.zeros((1, 3, 8, 8), np.float32)


def _preprocess(_image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return _TENSOR


def _serving(controller: Any = None) -> Serving:
    controller = controller or open_controller("predictive", _PROFILE, _LIMITS)
    board = EmulatedBoard(read_board_spec(_BOARD), _CLOCK, loads=loads_from_profile(_PROFILE))
    return Serving(
        _Engines(),
        controller,
        preprocess=_preprocess,
        clock=_CLOCK,
        limits=_LIMITS,
        board=board,
        header=RunHeader(
            family="f",
            source="memory",
            device="cpu",
            controller="predictive",
            limits=_LIMITS,
            configurations=[],
            profile=_PROFILE,
        ),
    )


def _loop(sources: list[_Ready], folder: Path) -> StreamLoop:
    serving = _serving()
    log = DecisionLog(folder, serving.header_now, max_bytes=10_000_000, files=2)
    left = [sum(source.left for source in sources)]

    def count(_told: ServedFrame) -> None:
        left[0] -= 1
        if not left[0]:
            loop.request_stop()

    loop = StreamLoop(
        serving,
        [Stream(f"s{place}", source) for place, source in enumerate(sources)],
        clock=_CLOCK,
        listener=count,
        log=log,
        wanted=Wanted(limits=_LIMITS),
    )
    return loop


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
