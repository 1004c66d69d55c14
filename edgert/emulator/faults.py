"""What can go wrong with a board, on demand.

    tree.fault("vanished", file="VDD_SOC")
    tree.recover("vanished")

A fault names its files by rail ("VDD_IN": its current), zone ("tj": its temperature) or path
("sys/class/…", without the link). `FAULTS` is the table of all; what each takes stands in the
signature of its function.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgert.emulator import tree_static
from edgert.errors import UsageError

if TYPE_CHECKING:
    from edgert.emulator.tree import BoardTree

CLOCK_STEP = "clock_step_s"  # below the tree's folder; the shim reads it

_GATED_MC = -256_000

Undo = Callable[[], None]


class Fault(NamedTuple):
    """One kind: what it does in words, and the function that begins it and returns its end."""

    words: str
    begin: Callable[..., Undo]


def files_of(tree: "BoardTree", name: str) -> list[str]:
    """The files that a rail, a zone or a path stands for.

    Raises:
        UsageError: The tree has none of that name.
    """
    for chip in tree.layout.chips:
        for number, channel in enumerate(chip.channels, start=1):
            if channel.label == name:
                kinds = ("power", "curr") if chip.driver == "ina238" else ("curr",)
                return [f"sys/{chip.folder}/{kind}{number}_input" for kind in kinds]
    for number, zone in enumerate(tree.layout.zones):
        if name in {zone.type, zone.type.removesuffix("-thermal")}:
            return [f"{tree_static.zone_folder(number)}/temp"]
    if name in tree.files.paths:
        return [name]
    raise UsageError(
        f"fault on {name}",
        expected="a rail, a zone or a file of the tree",
        got="another name",
        advice=f"Try {tree.layout.chips[0].channels[0].label} or tj",
    )


def _on_files(tree: "BoardTree", file: str, change: Callable[[str], None]) -> Undo:
    """Change each file of that name; to undo it, all are let go."""
    paths = files_of(tree, file)
    for path in paths:
        change(path)
    return lambda: _let_go(tree, paths)


def _torn(tree: "BoardTree", file: str = "", *, lasting: bool = False) -> Undo:
    def tear(path: str) -> None:
        tree.files.empty(path)
        if lasting:
            tree.files.hold(path)

    return _on_files(tree, file or _first_rail(tree), tear)


def _vanished(tree: "BoardTree", file: str = "") -> Undo:
    return _on_files(tree, file or _first_rail(tree), tree.files.remove)


def _unreadable(tree: "BoardTree", file: str = "tj") -> Undo:
    return _on_files(tree, file, tree.files.unreadable)


def _frozen(tree: "BoardTree", file: str = "") -> Undo:
    return _on_files(tree, file or _first_rail(tree), tree.files.hold)


def _offline(tree: "BoardTree", file: str = "gpu") -> Undo:
    def gate(path: str) -> None:
        tree.files.put(path, _GATED_MC)
        tree.files.hold(path)

    return _on_files(tree, file, gate)


def _noise(tree: "BoardTree", shunt_v: float = 200e-6) -> Undo:
    before = tree.electrics
    tree.electrics = before._replace(shunt_noise_v=shunt_v)

    def end() -> None:
        tree.electrics = tree.electrics._replace(shunt_noise_v=before.shunt_noise_v)

    return end


def _over_current(tree: "BoardTree", events: int = 1, counter: int = 3) -> Undo:
    tree.over_current_events[counter - 1] += events
    return _nothing


def _brown_out(tree: "BoardTree", supply_ratio: float = 0.9, clock_ratio: float = 0.5) -> Undo:
    tree.over_current_events[0] += 1
    tree.electrics = tree.electrics._replace(supply_ratio=supply_ratio)
    tree.board.limit_clock("under-voltage", clock_ratio)

    def end() -> None:
        tree.electrics = tree.electrics._replace(supply_ratio=1.0)
        tree.board.limit_clock("under-voltage", 1.0)

    return end


def _fan_stop(tree: "BoardTree") -> Undo:
    tree.board.fan_running = False

    def end() -> None:
        tree.board.fan_running = True

    return end


def _power_mode(tree: "BoardTree", mode: str = "") -> Undo:
    before = tree.power_mode
    others = [other.name for other in tree.layout.power_modes if other.id != before.id]
    tree.set_power_mode(mode or others[0])
    return lambda: tree.set_power_mode(before.id)


def _hung(tree: "BoardTree", pid: int = 0) -> Undo:
    """Of the service's two children the newer one samples; what that starts is short-lived."""
    worker = max(_children(Path("/proc")).get(pid, []), default=0) if pid > 1 else 0
    if not worker:
        raise UsageError(
            "hang the jetson-stats service",
            expected="the number of its first process, with its workers running",
            got=str(pid or "none"),
            advice="Start the service first, and give its process as pid",
        )
    os.kill(worker, signal.SIGSTOP)

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)

    return end


def _tool_hung(tree: "BoardTree") -> Undo:
    """jetson-stats waits 4 s for nvpmodel, at every sample, and then samples no more."""
    path = "usr/sbin/nvpmodel"
    before = tree.files.text(path)
    tree.files.script(path, "#!/bin/sh\nexec sleep 3600\n")
    return lambda: tree.files.script(path, before)


def _clock_back(tree: "BoardTree", step_s: float = 5.0) -> Undo:
    """Only for programs that run with the shim of `namespace`; the machine's clock stays."""
    tree.files.put(CLOCK_STEP, f"{-abs(step_s):.6f}")
    return lambda: tree.files.put(CLOCK_STEP, "0.000000")


FAULTS = {
    "torn": Fault("a file is empty until the next refresh (lasting=True: until the end)", _torn),
    "vanished": Fault("a file is gone", _vanished),
    "unreadable": Fault("every read of a file fails with EIO", _unreadable),
    "frozen": Fault("a file keeps its value", _frozen),
    "offline": Fault("a zone says -256 °C", _offline),
    "noise": Fault("the power chips' shunts see noise", _noise),
    "over-current": Fault("an over-current counter goes up", _over_current),
    "brown-out": Fault(
        "the input voltage sags, an under-voltage event is counted, clocks drop", _brown_out
    ),
    "fan-stop": Fault("the fan stands still", _fan_stop),
    "power-mode": Fault("nvpmodel sets another power mode", _power_mode),
    "hung": Fault("the sampling process of the jetson-stats service is stopped (pid=)", _hung),
    "nvpmodel-hung": Fault("nvpmodel, once started, does not end", _tool_hung),
    "clock-back": Fault("the wall clock of programs under the shim steps back", _clock_back),
}


class Faults:
    """The faults of one tree that are going on."""

    def __init__(self, tree: "BoardTree") -> None:
        self._tree = tree
        self._undo: dict[str, Undo] = {}

    @property
    def active(self) -> list[str]:
        """Those that were begun and not ended."""
        return list(self._undo)

    def begin(self, name: str, **options: object) -> None:
        """Begin a fault; one of the same name that is going on is ended first.

        Raises:
            UsageError: There is no such fault, or it doesn't take such an option.
        """
        if name not in FAULTS:
            raise UsageError(
                f"fault {name}",
                expected=" or ".join(FAULTS),
                got="another name",
                advice="Correct the name",
            )
        self.end(name)
        try:
            self._undo[name] = FAULTS[name].begin(self._tree, **options)
        except TypeError as cause:
            raise UsageError(
                f"fault {name}", expected="its own options", got=str(cause), advice="Correct them"
            ) from cause

    def end(self, name: str) -> None:
        """End a fault; nothing happens where it isn't going on."""
        undo = self._undo.pop(name, None)
        if undo is not None:
            undo()

    def end_all(self) -> None:
        """End all."""
        for name in self.active:
            self.end(name)


def descendants(pid: int, processes: Path = Path("/proc")) -> list[int]:
    """All processes below one, in no order; none where it is gone."""
    children = _children(processes)
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _children(processes: Path) -> dict[int, list[int]]:
    """The processes that each process has started and that still run."""
    children: dict[int, list[int]] = {}
    for folder in processes.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    return children


def _first_rail(tree: "BoardTree") -> str:
    return tree.layout.chips[0].channels[0].label


def _let_go(tree: "BoardTree", paths: list[str]) -> None:
    for path in paths:
        tree.files.let_go(path)


def _nothing() -> None:
    return None
