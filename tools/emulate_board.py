"""Start an emulated Jetson: a tree of files that moves in real time, and programs that see it.

    python tools/emulate_board.py                                  until Ctrl-C
    python tools/emulate_board.py --board agx-orin --jetpack 7 --load 13/33
    python tools/emulate_board.py --fault torn@12s --fault fan-stop@20s+60s
    python tools/emulate_board.py -- edgert doctor                 a program on it, to its end
    python tools/emulate_board.py --jtop venv/bin/python -- venv/bin/jtop

Everything it shows is emulated. A program inside sees the board as its machine (/sys, /proc,
/etc, nvpmodel); outside nothing changes. With --jtop the jetson-stats service of that interpreter
runs on the board. --load 13/33 keeps the GPU busy for 13 of every 33 ms; other processes heat the
board through the pipe that is printed (edgert.emulator.feed). A fault is
NAME[,OPTION=VALUE]@START[+FOR]; one of a name goes on at a time.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgert.clock import Clock, MonotonicClock
from edgert.emulator import namespace
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.faults import FAULTS
from edgert.emulator.layout import layout_names, load_layout
from edgert.emulator.tree import BoardTree
from edgert.emulator.tree_files import memory_folder
from edgert.errors import EdgertError, SourceUnavailableError, UsageError

PROJECT = Path(__file__).resolve().parent.parent
_TURN_S = 0.05  # how often load and faults are looked at
_AHEAD_S = 0.2  # how far ahead load is booked
_FAULT = re.compile(
    r"^(?P<name>[a-z-]+)(?P<options>(,\w+=[^,@]+)*)@(?P<start>[\d.]+)s?(\+(?P<length>[\d.]+)s?)?$"
)
_LOAD = re.compile(r"^(?P<busy>[\d.]+)/(?P<period>[\d.]+)(ms)?$")


class Planned(NamedTuple):
    """A fault with its time; `end_s` None: it lasts."""

    name: str
    options: dict[str, object]
    start_s: float
    end_s: float | None


def main(arguments: list[str] | None = None) -> int:
    """Drive a board; returns the status of the program that ran on it, else 0."""
    parsed = _parser().parse_args(arguments)
    parsed.inside = parsed.inside[parsed.inside[:1] == ["--"] :]
    try:
        plan = [planned_from_text(text) for text in parsed.fault]
        load = load_from_text(parsed.load) if parsed.load else None
        with _board(parsed) as tree:
            return _drive(tree, parsed, plan, load)
    except EdgertError as error:
        print(f"emulate_board: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 0


def planned_from_text(text: str) -> Planned:
    """Read "torn,file=tj@12s+5s".

    Raises:
        UsageError: It isn't of that form, or there is no such fault.
    """
    found = _FAULT.match(text)
    if found is None or found["name"] not in FAULTS:
        raise UsageError(
            f"--fault {text}",
            expected="NAME[,OPTION=VALUE]@START[+FOR] with a name among " + ", ".join(FAULTS),
            got=repr(text),
            advice="Write for example torn@12s or fan-stop@20s+60s",
        )
    pairs = (pair.split("=", 1) for pair in found["options"].split(",")[1:])
    start_s = float(found["start"])
    end_s = start_s + float(found["length"]) if found["length"] else None
    return Planned(found["name"], {key: _value(word) for key, word in pairs}, start_s, end_s)


def load_from_text(text: str) -> tuple[float, float]:
    """Read "13/33": seconds busy, and from one start to the next.

    Raises:
        UsageError: It isn't of that form, or busier than there is time.
    """
    found = _LOAD.match(text)
    busy_s, period_s = (float(found[key]) / 1e3 for key in ("busy", "period")) if found else (0, 0)
    if not 0 < busy_s <= period_s:
        raise UsageError(
            f"--load {text}",
            expected="BUSY/PERIOD in milliseconds, BUSY at most PERIOD",
            got=repr(text),
            advice="Write for example 13/33",
        )
    return busy_s, period_s


@contextlib.contextmanager
def _board(parsed: argparse.Namespace) -> Iterator[BoardTree]:
    layout = load_layout(parsed.board)
    physics = parsed.physics or PROJECT / "profiles" / "boards" / f"{layout.physics}.yaml"
    board = EmulatedBoard(read_board_spec(physics), MonotonicClock())
    if parsed.inside and (reason := namespace.why_not()):
        raise SourceUnavailableError(
            "run a program on the emulated board",
            expected="a mount namespace of its own",
            got=reason,
            advice="Run it as root, or allow user namespaces",
        )
    folder = parsed.folder.resolve() if parsed.folder else memory_folder()
    try:
        cores = os.cpu_count() if parsed.inside or parsed.jtop else None
        release = f"jetpack{parsed.jetpack}"
        with BoardTree(folder, layout, board, release=release, cores=cores) as tree:
            yield tree
    finally:
        if not parsed.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _drive(
    tree: BoardTree,
    parsed: argparse.Namespace,
    plan: list[Planned],
    load: tuple[float, float] | None,
) -> int:
    clock = MonotonicClock()
    print(f"emulated {tree.layout.model}", file=sys.stderr)
    print(f"  files  {tree.folder}", file=sys.stderr)
    print(f"  load   {tree.folder / 'load'}", file=sys.stderr)
    with tree.run(parsed.rate_hz), contextlib.ExitStack() as running:
        service = _start_service(tree, parsed, running) if parsed.jtop else None
        program = _start_program(tree, parsed, running) if parsed.inside else None
        start_s = booked_s = told_s = clock.now_s()
        waiting, active = sorted(plan, key=lambda fault: fault.start_s), list[Planned]()
        while program is None or program.poll() is None:
            now_s = clock.now_s()
            if parsed.seconds is not None and now_s - start_s >= parsed.seconds:
                break
            if load:
                booked_s = _book(tree, load, booked_s, now_s)
            _follow(tree, waiting, active, now_s - start_s, service)
            if not parsed.quiet and not parsed.inside and now_s >= told_s:
                print(_status(tree, now_s - start_s), file=sys.stderr)
                told_s += 1.0
            clock.sleep(_TURN_S)
        return program.returncode or 0 if program and program.poll() is not None else 0


def _book(tree: BoardTree, load: tuple[float, float], booked_s: float, now_s: float) -> float:
    busy_s, period_s = load
    while booked_s < now_s + _AHEAD_S:
        tree.book_run("load", busy_s, start_s=booked_s)
        booked_s += period_s
    return booked_s


def _follow(
    tree: BoardTree,
    waiting: list[Planned],
    active: list[Planned],
    time_s: float,
    service: "subprocess.Popen[bytes] | None",
) -> None:
    """Begin and end the faults that are due."""
    while waiting and waiting[0].start_s <= time_s:
        fault = waiting.pop(0)
        options = dict(fault.options)
        if fault.name == "hung" and service is not None:
            options.setdefault("pid", service.pid)
        tree.fault(fault.name, **options)
        print(f"{time_s:6.1f} s  fault: {FAULTS[fault.name].words}", file=sys.stderr)
        active.append(fault)
    for fault in [fault for fault in active if fault.end_s is not None]:
        if fault.end_s is not None and fault.end_s <= time_s:
            tree.recover(fault.name)
            active.remove(fault)
            print(f"{time_s:6.1f} s  over: {fault.name}", file=sys.stderr)


def _status(tree: BoardTree, time_s: float) -> str:
    with tree.locked() as board:
        power_w = board.history.power_at(board.history.end_s)
        die_c, ratio = board.thermal.die_c, board.clock_ratio / board.mode_clock_ratio
    faults = ", ".join(tree.faults.active)
    return (
        f"{time_s:6.1f} s  {power_w:6.2f} W  {die_c:5.1f} °C  {tree.power_mode.name}"
        f"  {tree.power_mode.gpu_hz * ratio / 1e6:.0f} MHz  {faults}".rstrip()
    )


def _start_service(
    tree: BoardTree, parsed: argparse.Namespace, running: contextlib.ExitStack
) -> "subprocess.Popen[bytes]":
    log = running.enter_context((tree.folder / "service.log").open("ab"))
    jtop = Path(parsed.jtop).absolute().with_name("jtop")
    service = subprocess.Popen(
        _inside(tree, parsed, ["env", "JTOP_SERVICE=True", str(jtop), "--force"]),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    running.callback(_end, service)
    clock: Clock = MonotonicClock()
    until_s = clock.now_s() + 15.0
    while not (tree.folder / "run" / "jtop.sock").exists():
        if service.poll() is not None or clock.now_s() > until_s:
            raise SourceUnavailableError(
                "start the jetson-stats service on the emulated board",
                expected="its socket within 15 s",
                got=f"none; see {tree.folder / 'service.log'}",
                advice="Give the interpreter that jetson-stats is installed for, and --folder "
                "to keep the log",
            )
        clock.sleep(_TURN_S)
    return service


def _start_program(
    tree: BoardTree, parsed: argparse.Namespace, running: contextlib.ExitStack
) -> "subprocess.Popen[bytes]":
    program = subprocess.Popen(_inside(tree, parsed, parsed.inside))
    running.callback(_end, program)
    return program


def _inside(tree: BoardTree, parsed: argparse.Namespace, command: list[str]) -> list[str]:
    base = None
    if parsed.jtop:
        asked = [str(parsed.jtop), "-c", "import sys; print(sys.base_prefix)"]
        base = Path(
            subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        )
    shim = namespace.build_shim(tree.folder / "lib")
    return namespace.command_inside(tree.folder, command, python_base=base, shim=shim)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _value(word: str) -> object:
    if word in {"True", "False"}:
        return word == "True"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(word)
    return word


def _parser() -> argparse.ArgumentParser:
    faults = "; ".join(f"{name}: {fault.words}" for name, fault in FAULTS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Faults. {faults}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--board", default="orin-nano", choices=layout_names())
    parser.add_argument("--jetpack", type=int, choices=(6, 7), default=6)
    parser.add_argument("--physics", type=Path, help="another board file than the layout's")
    parser.add_argument("--folder", type=Path, help="where the files lie (default: in memory)")
    parser.add_argument("--rate-hz", type=float, default=50.0, help="refreshes a second")
    parser.add_argument("--load", help="BUSY/PERIOD in ms, e.g. 13/33")
    parser.add_argument("--fault", action="append", default=[], help="NAME@START[+FOR], repeat")
    parser.add_argument("--jtop", type=Path, help="interpreter that jetson-stats is installed for")
    parser.add_argument("--seconds", type=float, help="end after so many")
    parser.add_argument("--quiet", action="store_true", help="no line each second")
    parser.add_argument("inside", nargs=argparse.REMAINDER, help="-- program and arguments")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
