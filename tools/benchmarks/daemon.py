"""What an idle daemon takes: memory before engines and with them, time to READY, processor time.

Each round starts the real `edgert serve` in a process of its own, without streams: without a
family, and with one. READY is what a service manager hears on its socket; memory is the kernel's
(RSS, and PSS, which counts shared pages by their share), read when READY was heard and settled.
Other work on the machine adds to the time to READY, and not to the processor time until then, so
both are told. The share of a core is over the idle seconds.

With --telemetry the daemon reads a board's sensors ten times a second. Where there are none, run
this under an emulated board's tree:

    python tools/emulate_board.py --board agx-orin -- python tools/benchmark.py daemon
"""

import argparse
import math
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from edgert.errors import ArtifactError

_START_S = 60.0
_SETTLE_S = 1.0
_MIB = 1 << 20
_CPUCLOCK_SCHED = 2
_LIMITS = {"ready_s": 2.0, "rss_mib": 60.0, "cpu_ratio": 0.01}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's arguments."""
    parser.add_argument("--family", type=Path, help="a family's folder, built and profiled")
    parser.add_argument("--board", default="", help="emulated board that power and heat are of")
    parser.add_argument("--telemetry", default="", help="source that is read ten times a second")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle-s", type=float, default=20.0)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure both kinds of daemon in turns."""
    kinds = {"without engines": ""}
    if arguments.family is not None:
        kinds["with engines"] = str(arguments.family.absolute())
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for _ in range(arguments.rounds):
        for name, family in kinds.items():
            rounds[name].append(_round(family, arguments))
    return {
        "idle_s": arguments.idle_s,
        "rounds": arguments.rounds,
        "board": arguments.board,
        "telemetry": arguments.telemetry,
        "daemons": {name: _summary(found) for name, found in rounds.items()},
    }


def text_from(result: dict[str, Any]) -> str:
    """The table."""
    names = ("ready_s", "ready_cpu_s", "rss_mib", "pss_mib", "cpu_ratio")
    lines = [
        f"{result['rounds']} rounds, {result['idle_s']:g} s idle each, without streams; "
        "median (lowest to highest)",
        f"{'':18}" + "".join(f"{name:>28}" for name in names),
    ]
    for kind, figures in result["daemons"].items():
        cells = [
            f"{figures[n]['median']:.4g} ({figures[n]['least']:.4g} to {figures[n]['most']:.4g})"
            for n in names
        ]
        lines.append(f"{kind:18}" + "".join(f"{cell:>28}" for cell in cells))
    return "\n".join(lines)


def _summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        median = statistics.median(values)
        summary[name] = {"median": median, "least": min(values), "most": max(values)}
        if name in _LIMITS:
            summary[name]["limit"] = _LIMITS[name]
    return summary


def _round(family: str, arguments: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings: dict[str, Any] = {
            "family": family,
            "board": arguments.board,
            "telemetry": {"source": arguments.telemetry, "interval_s": 0.1},
            "daemon": {"socket": "d.sock", "state_dir": "state"},
        }
        (folder / "edgert.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(folder / "notify"))
        began_s = time.perf_counter()
        process = subprocess.Popen(
            [
                "env",
                f"NOTIFY_SOCKET={folder / 'notify'}",
                sys.executable,
                "-m",
                "edgert",
                "serve",
                str(folder / "edgert.yaml"),
            ],
            stderr=subprocess.PIPE,
        )
        try:
            _wait_ready(process, notify)
            ready_s, ready_cpu_s = time.perf_counter() - began_s, _cpu_s(process.pid)
            time.sleep(_SETTLE_S)
            rss_mib, pss_mib = _memory(process.pid)
            before_s, before_wall_s = _cpu_s(process.pid), time.perf_counter()
            time.sleep(arguments.idle_s)
            cpu_s = _cpu_s(process.pid) - before_s
            wall_s = time.perf_counter() - before_wall_s
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()
            notify.close()
        return {
            "ready_s": ready_s,
            "ready_cpu_s": ready_cpu_s,
            "rss_mib": rss_mib,
            "pss_mib": pss_mib,
            "cpu_ratio": cpu_s / wall_s,
        }


def _wait_ready(process: "subprocess.Popen[bytes]", notify: socket.socket) -> None:
    notify.settimeout(0.05)
    end_s = time.perf_counter() + _START_S
    while time.perf_counter() < end_s:
        try:
            if b"READY=1" in notify.recv(4096).split(b"\n"):
                return
        except TimeoutError:
            if process.poll() is not None:
                break
    told = process.stderr.read().decode() if process.poll() is not None and process.stderr else ""
    raise ArtifactError(
        "start a daemon",
        expected=f"READY within {_START_S:g} s",
        got=told.strip() or "nothing",
        advice="Start `edgert serve` by hand, and see",
    )


def _memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MiB; not a number where /proc is another process space's."""
    sizes = {}
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except FileNotFoundError:
        return math.nan, math.nan
    for line in text.splitlines()[1:]:
        name, value = line.split(":")
        sizes[name] = int(value.split()[0]) * 1024 / _MIB
    return sizes["Rss"], sizes["Pss"]


def _cpu_s(pid: int) -> float:
    """Processor time of all threads of a process, by the kernel's clock of it."""
    clock = (~pid << 3) | _CPUCLOCK_SCHED  # as clock_getcpuclockid(3) has it on Linux
    return time.clock_gettime(clock)
