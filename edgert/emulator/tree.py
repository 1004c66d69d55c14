"""A board as a tree of files that real readers read, driven by the emulated physics.

    board = EmulatedBoard(spec, clock)                       # a real or a virtual clock
    with BoardTree(folder, load_layout("orin-nano"), board) as tree:
        tree.book_run("c60", 0.012)                          # power, from now on
        clock.sleep(1.0); tree.refresh()                     # step by step
        with tree.run(rate_hz=50): …                         # or by a thread, in real time
        tree.fault("torn", file="VDD_IN")                    # see edgert.emulator.faults

`folder` then holds sys/, proc/, etc/, var/, usr/sbin/nvpmodel, and a pipe `load` (see `feed`)
through which other processes tell what runs. Every file is replaced by a rename. A file is as
old as the last refresh: a reader sees at most `rate_hz` new values a second.

A write of a mode's number to var/lib/nvpmodel/status, as by nvpmodel, and of a number to a power
chip's `samples` takes effect at the next refresh.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from edgert.closing import Closing
from edgert.emulator import tree_static, tree_values
from edgert.emulator.board import EmulatedBoard
from edgert.emulator.faults import Faults
from edgert.emulator.feed import FeedReader
from edgert.emulator.ina3221 import SAMPLES
from edgert.emulator.layout import Layout, Mode
from edgert.emulator.tree_files import TreeFiles
from edgert.emulator.tree_values import Electrics

_LOAD_WINDOW_S = 0.1  # over which the GPU's load is a mean


class BoardTree(Closing):
    """The files of one emulated board. A context manager; may be used from several threads.

    Args:
        folder: Where the tree lies; made where it is missing.
        layout: Which files there are.
        board: The physics. From now on it is driven by this tree alone.
        release: Whose files: "jetpack6" or "jetpack7".
        cores: How many processors the files show; the layout's by default. A jetson-stats that
            runs on this machine wants as many as /proc/stat has.
        phase_s: Where on the board's clock the power chips' cycle begins.
        seed: Of the sensors' noise, while there is any.
    """

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        board: EmulatedBoard,
        *,
        release: str = "jetpack6",
        cores: int | None = None,
        phase_s: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.folder = folder
        self.layout = layout
        self.board = board
        self.cores = cores or layout.cpu.cores
        self.electrics = Electrics(phase_s=phase_s, seed=seed)
        self.over_current_events = [0, 0, 0]
        self.files = TreeFiles(folder)
        self._release = layout.release(release)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._mode = layout.mode(layout.default_mode)
        self._looked_s = board.advance()
        self._load, self._busy_s = 0.0, board.busy_s
        self._build()
        self.feed = FeedReader(folder / "load")
        self.faults = Faults(self)
        self.refresh()

    @property
    def power_mode(self) -> Mode:
        """The power mode that the board is in."""
        return self._mode

    def set_power_mode(self, wanted: int | str) -> None:
        """Switch as nvpmodel does, by a mode's number or name."""
        mode = self.layout.mode(wanted)
        with self._lock:
            self.files.let_go(tree_static.POWER_MODE)
            self.files.put(tree_static.POWER_MODE, f"pmode:{mode.id:04d}")
            self.refresh()

    def book_run(
        self, engine: str, busy_s: float, *, start_s: float | None = None, macs: int | None = None
    ) -> float:
        """Book a run of an engine, from now or from a time; returns when it begins."""
        with self._lock:
            now_s = self.board.advance()
            begin_s = now_s if start_s is None else start_s
            return self.board.book_run(engine, begin_s, busy_s, macs=macs)

    def fault(self, name: str, **options: object) -> None:
        """Let something go wrong; see edgert.emulator.faults for what there is."""
        with self._lock:
            self.faults.begin(name, **options)

    def recover(self, name: str) -> None:
        """Put it right again."""
        with self._lock:
            self.faults.end(name)

    def refresh(self) -> None:
        """Live up to now and put the present values in."""
        with self._lock:
            for run in self.feed.read():
                self.book_run(run.engine, run.busy_s, start_s=run.start_s, macs=run.macs)
            now_s = self.board.advance()
            self._follow_settings()
            self._measure_load(now_s)
            self._write(now_s)

    @contextlib.contextmanager
    def locked(self) -> Iterator[EmulatedBoard]:
        """The board, while no refresh is under way."""
        with self._lock:
            yield self.board

    @contextlib.contextmanager
    def run(self, rate_hz: float) -> Iterator["BoardTree"]:
        """Refresh `rate_hz` times a second in a thread of its own.

        What goes wrong in the thread is raised on leaving.
        """
        failures: list[BaseException] = []
        self._stop.clear()
        thread = threading.Thread(
            target=self._keep_fresh, args=(1 / rate_hz, failures), name="emulated board"
        )
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
        if failures:
            raise failures[0]

    def close(self) -> None:
        """End all faults and take pipe and staging folder away; the files stay."""
        self.faults.end_all()
        self.feed.close()
        self.files.close()

    def _build(self) -> None:
        tree_static.write_static(
            self.files,
            self.layout,
            self._release,
            cores=self.cores,
            trip_c=self.board.spec.throttle.trip_c,
        )
        self.files.put(tree_static.POWER_MODE, f"pmode:{self._mode.id:04d}")
        for chip in self.layout.chips:
            if chip.driver == "ina3221":
                self.files.put(f"sys/{chip.folder}/samples", self.electrics.samples)
        for number, zone in enumerate(self.layout.zones):
            if zone.gated:
                self.files.unreadable(f"{tree_static.zone_folder(number)}/temp")

    def _follow_settings(self) -> None:
        """Take over what others wrote: the power mode, and how many samples a chip averages."""
        status = self.files.text(tree_static.POWER_MODE).split()
        number = status[0].removeprefix("pmode:") if status else ""
        if number.isdecimal() and int(number) != self._mode.id:
            self._mode = self.layout.mode(int(number))
            default = self.layout.mode(self.layout.default_mode)
            self.board.mode_clock_ratio = self._mode.gpu_hz / default.gpu_hz
        for chip in self.layout.chips:
            if chip.driver == "ina3221":
                samples = self.files.text(f"sys/{chip.folder}/samples").strip()
                if samples.isdecimal() and int(samples) in SAMPLES:
                    self.electrics = self.electrics._replace(samples=int(samples))
                    break  # one setting for all chips, as a script would give it

    def _measure_load(self, now_s: float) -> None:
        duration_s = now_s - self._looked_s
        if duration_s >= _LOAD_WINDOW_S:
            self._load = min(1.0, (self.board.busy_s - self._busy_s) / duration_s)
            self._looked_s, self._busy_s = now_s, self.board.busy_s

    def _write(self, now_s: float) -> None:
        files, layout, board = self.files, self.layout, self.board
        for chip in layout.chips:
            tree_values.write_chip(files, chip, board, self.electrics, now_s)
        tree_values.write_zones(files, layout, board)
        tree_values.write_clocks(
            files, layout, board, self._mode, load=self._load, cores=self.cores
        )
        tree_values.write_cooling(files, board)
        for number, count in enumerate(self.over_current_events, start=1):
            files.put(f"{tree_static.OVER_CURRENT}/oc{number}_event_cnt", count)
        tree_values.write_proc(files, layout, now_s=now_s, busy_s=board.busy_s, cores=self.cores)

    def _keep_fresh(self, interval_s: float, failures: list[BaseException]) -> None:
        try:
            while not self._stop.wait(interval_s):
                self.refresh()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that owns the tree
            failures.append(error)
