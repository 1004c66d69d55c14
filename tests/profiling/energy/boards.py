"""An emulated board in virtual time with engines, a meter, and what is true of it."""

import msgspec

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard, read_board_spec
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.power import EngineLoad
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.sensing import Sensing
from edgert.profiling.energy.sensor_bound import ina3221_bound

SLOW = read_board_spec("profiles/boards/emulated-orin-nano-slow.yaml")
CHIP = Ina3221Spec(phase_s=0.0013)
# Half the draw of the board file: the board settles at once, and its heat is not the matter here.
MILD = msgspec.structs.replace(
    SLOW,
    power=msgspec.structs.replace(SLOW.power, leakage_per_k=0.0),
    thermal=msgspec.structs.replace(SLOW.thermal, die_j_per_k=0.5, sink_j_per_k=2.0),
    sensor=msgspec.structs.replace(SLOW.sensor, ina3221=CHIP),
)
LOADS = {
    "full": EngineLoad(latency_s=0.02, macs=1000),
    "small": EngineLoad(latency_s=0.012, macs=500),
}
SENSING = Sensing(
    board=MILD.name,
    rails=["VDD_IN"],
    bound=msgspec.structs.replace(ina3221_bound([(0.005, 5.0)]), ratios=[], offsets_w=[]),
)
QUICK = Plan(windows=3, window_s=2.0, idle_s=5.0, warm_up_s=30.0, warm_up_most_s=120.0)


class Source:
    """The board's telemetry, through which a test meddles: `change` takes and gives a sample."""

    def __init__(self, board):
        self.name, self.board = board.name, board
        self.change = lambda sample: sample

    def read(self):
        return self.change(self.board.read())

    def close(self):
        pass


class Rig:
    """Everything that `measure_energy` is handed; `runs` counts what ran."""

    def __init__(self, spec=MILD, *, interval_s=0.02, seed=1, start_s=100.0, names=("full",)):
        self.clock = VirtualClock(start_s)
        self.board = EmulatedBoard(spec, self.clock, loads=LOADS, history_s=1e6)
        self.source = Source(self.board)
        self.meter = PowerMeter(
            self.source, self.clock, interval_s=interval_s, seed=seed, virtual=True
        )
        self.counts = dict.fromkeys(names, 0)
        self.runs = {name: self._run(name) for name in names}

    def _run(self, name):
        def run():
            self.counts[name] += 1
            busy_s = LOADS[name].latency_s * self.board.slowdown
            self.board.book_run(name, self.clock.now_s(), busy_s)
            self.meter.clock.sleep(busy_s + 0.0005)

        return run

    def true_j(self, windows):
        """True energy of one inference over journal windows that count."""
        counted = [w for w in windows if w.kind == "load" and not w.rejected]
        energy_j = sum(self.board.energy_between(w.from_s, w.to_s) for w in counted)
        return energy_j / sum(w.inferences for w in counted)
