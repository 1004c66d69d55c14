"""What it takes to read a board's sensors at a rate: the reader's own share of a core.

The files are those of an emulated board, in memory, and stand still: what a chip's driver takes on
a real board is not in the figures. Times are the thread's own on the CPU. At the pace a read comes
after a pause in which the processor did other work or slept, and pays for that; a loop that only
keeps the pace is subtracted, round by round. Back to back is the same work without pauses, on a
virtual clock, so that every part of the board is read as often in a second as at the pace.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgert.clock import MonotonicClock, VirtualClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.layout import layout_names, load_layout
from edgert.emulator.tree import BoardTree
from edgert.emulator.tree_files import memory_folder
from edgert.errors import UsageError
from edgert.telemetry.sysfs import SysfsSource

_BOARDS = Path("profiles") / "boards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--board", choices=layout_names(), default="agx-orin")
    parser.add_argument("--rate-hz", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=2.0, help="in a round")
    parser.add_argument("--rounds", type=int, default=9)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read at the pace and back to back, in turns."""
    rate_hz, reads = arguments.rate_hz, round(arguments.rate_hz * arguments.seconds)
    if rate_hz <= 0 or reads < 1 or arguments.rounds < 1:
        raise UsageError(
            "measure the sensors' reader",
            expected="a rate, and at least one read and one round",
            got=f"{rate_hz:g} Hz, {reads} reads, {arguments.rounds} rounds",
            advice="Give larger --rate-hz, --seconds, --rounds",
        )
    clock, virtual = MonotonicClock(), VirtualClock(1000.0)
    shares: dict[str, list[float]] = {"paced": [], "pacing_alone": [], "back_to_back": []}
    layout, folder = load_layout(arguments.board), memory_folder()
    board = EmulatedBoard(read_board_spec(_BOARDS / f"{layout.physics}.yaml"), clock)
    try:
        with BoardTree(folder, layout, board) as tree:
            at_pace = SysfsSource(root=tree.folder, clock=clock)
            in_a_row = SysfsSource(root=tree.folder, clock=virtual)
            at_pace.read()
            in_a_row.read()

            def no_pause() -> None:
                virtual.sleep(1 / rate_hz)
                in_a_row.read()

            for _ in range(arguments.rounds):
                pacing = paced_s(_nothing, clock, rate_hz, reads) * rate_hz
                shares["pacing_alone"].append(pacing)
                shares["paced"].append(
                    paced_s(at_pace.read, clock, rate_hz, reads) * rate_hz - pacing
                )
                shares["back_to_back"].append(mean_s(no_pause, reads) * rate_hz)
            at_pace.close()
            in_a_row.close()
    finally:
        shutil.rmtree(folder)
    return {
        "board": arguments.board,
        "provenance": "measured",
        "rate_hz": rate_hz,
        "reads": reads,
        "rounds": arguments.rounds,
        "core_ratio": {
            name: {"median": statistics.median(each), "least": min(each), "most": max(each)}
            for name, each in shares.items()
        },
    }


def text_from(result: dict[str, Any]) -> str:
    """The result as a table."""
    words = {
        "back_to_back": "the reads alone, back to back",
        "paced": "the reads at the pace, less the pacing",
        "pacing_alone": "the pacing alone (sleep and wake up)",
    }
    return "\n".join(
        [
            f"{result['board']}, files in memory, {result['rate_hz']:g} Hz, {result['rounds']} "
            f"rounds of {result['reads']} reads; shares of one core",
            *(
                f"{words[name]:40} {100 * each['median']:5.2f} % "
                f"({100 * each['least']:.2f} to {100 * each['most']:.2f})"
                for name, each in result["core_ratio"].items()
            ),
        ]
    )


def paced_s(
    work: Callable[[], object], clock: MonotonicClock, rate_hz: float, reads: int
) -> float:
    """CPU seconds of one turn: the work, and the sleep until the next is due."""
    start_s, cpu_s = clock.now_s(), time.thread_time()
    for turn in range(reads):
        work()
        clock.sleep(start_s + (turn + 1) / rate_hz - clock.now_s())
    return (time.thread_time() - cpu_s) / reads


def mean_s(work: Callable[[], object], reads: int) -> float:
    """CPU seconds of one turn without a pause."""
    cpu_s = time.thread_time()
    for _ in range(reads):
        work()
    return (time.thread_time() - cpu_s) / reads


def _nothing() -> None:
    pass
