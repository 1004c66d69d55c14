"""The process that jetson-stats lives in: its numbers as JSON lines on standard output.

Started by `jtop`, with the interpreter that has jetson-stats, as a program of its own: nothing of
edgert is imported here and jetson-stats, which is AGPL-3.0-or-later, is imported nowhere else.
`import jtop` also sets the start method of multiprocessing for the whole process, and `start()`
can wait for ever; neither may happen to a process that does something else.

A line is {"sample": {...}} in SI units, or {"error": words, "kind": "service" | "permission" |
"missing" | "version" | "lost"} and the end. It ends too when its standard input is closed, which
the system does when the parent dies.
"""

import json
import math
import os
import sys
import threading
from pathlib import Path
from typing import Any

MILLI = 1e-3
KILO = 1e3


def main(arguments: list[str]) -> int:
    """Write a line for each sample of the service until it is lost. Argument: seconds between."""
    interval_s = float(arguments[0]) if arguments else 1.0
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # As a file in a package this program would find the package's own jtop before jetson-stats.
    here = Path(__file__).resolve().parent
    sys.path[:] = [place for place in sys.path if not place or Path(place).resolve() != here]
    try:
        import jtop as jetson_stats
    except ImportError as error:
        say({"error": str(error), "kind": "missing"})
        return 1
    return watch(jetson_stats, interval_s, threading.Event().wait)


def watch(jetson_stats: Any, interval_s: float, wait: Any) -> int:
    """Follow the service; returns when it is lost, which this process can't mend."""
    try:
        client = jetson_stats.jtop(interval=interval_s)
        client.attach(lambda state: say({"sample": sample_from_state(state)}))
        client.start()
        # ok() without spin ends for good after one late sample; with it, it tells a lost service.
        while client.ok(spin=True):
            wait(min(interval_s, 0.2))
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it is, it is told
        say(
            {"error": " ".join(str(error).split()) or type(error).__name__, "kind": kind_of(error)}
        )
        return 1
    say({"error": "the service sent no more", "kind": "lost"})
    return 1


def sample_from_state(state: Any) -> dict[str, Any]:
    """What edgert uses of jetson-stats' state, in SI units; what it doesn't have is left out."""
    gpus = dict(state.gpu)
    cores = list(state.cpu.get("cpu", []))
    memory = state.memory.get("RAM", {})
    sample: dict[str, Any] = {
        # The only stamp of the moment at which the service read its sensors; 10 ms fine.
        "uptime_s": state.uptime.total_seconds(),
        "interval_s": float(state.interval),
        "rails_w": _rails(state.power),
        "zones_c": {name: _temp(zone) for name, zone in state.temperature.items()},
        "clocks_hz": {},
        "clock_caps_hz": {},
        "utilisation": {},
        "power_mode": str(state.nvpmodel.name) if state.nvpmodel is not None else "",
        "fan_ratio": _fan(state.fan),
        "memory_used_bytes": _bytes(memory.get("used")),
        "memory_total_bytes": _bytes(memory.get("tot")),
    }
    for gpu in list(gpus.values())[:1]:
        _clock(sample, "gpu", gpu.get("freq", {}))
        _number_into(sample["utilisation"], "gpu", gpu.get("status", {}).get("load"), 0.01)
    for number, core in enumerate(cores):
        if core.get("online"):
            _clock(sample, f"cpu{number}", core.get("freq", {}))
    idle = state.cpu.get("total", {}).get("idle")
    if isinstance(idle, (int, float)):
        _number_into(sample["utilisation"], "cpu", 100 - idle, 0.01)
    return sample


def kind_of(error: BaseException) -> str:
    """What sort of failure an error of jetson-stats is; it has one class for all, and leaks."""
    text = str(error).lower()
    if "can't access" in text or "permission" in text or isinstance(error, PermissionError):
        return "permission"
    if "mismatch" in text or "version" in text:
        return "version"
    if "lost connection" in text or isinstance(error, (EOFError, ConnectionError)):
        return "lost"
    return "service"


def say(line: dict[str, Any]) -> None:
    """One line, whole, at once; a parent that is gone ends this process."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        os._exit(1)


def _rails(power: dict[str, Any]) -> dict[str, float]:
    """Rails by name, the total among them where it has one.

    A total without a name is the sum of all, also of those that lie behind others: left out.
    """
    rails = {
        name: rail for name, rail in power.get("rail", {}).items() if rail.get("online", True)
    }
    total = power.get("tot", {})
    if total.get("name"):
        rails[total["name"]] = total
    found: dict[str, float] = {}
    for name, rail in rails.items():
        _number_into(found, name, rail.get("power"), MILLI)
    return found


def _temp(zone: dict[str, Any]) -> float | None:
    temp_c = zone.get("temp")
    if zone.get("online", True) and isinstance(temp_c, (int, float)) and math.isfinite(temp_c):
        return float(temp_c)
    return None


def _clock(sample: dict[str, Any], name: str, freq: dict[str, Any]) -> None:
    _number_into(sample["clocks_hz"], name, freq.get("cur"), KILO)
    _number_into(sample["clock_caps_hz"], name, freq.get("max"), KILO)


def _fan(fans: Any) -> float | None:
    for fan in dict(fans or {}).values():
        speeds = [speed for speed in fan.get("speed", []) if isinstance(speed, (int, float))]
        if speeds:
            return float(speeds[0]) / 100
    return None


def _bytes(kilobytes: Any) -> int | None:
    return int(kilobytes) * 1024 if isinstance(kilobytes, (int, float)) else None


def _number_into(found: dict[str, float], name: str, value: Any, unit: float) -> None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        found[name] = value * unit


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)  # the threads of jetson-stats may hang


if __name__ == "__main__":
    # Without waiting for the threads of jetson-stats, which may hang.
    status = main(sys.argv[1:])
    os._exit(status)
