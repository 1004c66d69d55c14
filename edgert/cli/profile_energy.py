"""Energies of a profile, from the verb's flags: the whole procedure on a bench, or predicted."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from edgert.cli.energy_bench import Bench, OpenBench
from edgert.cli.output import ProgressBar
from edgert.emulator.power import EngineLoad, PowerModel
from edgert.opening.boards import find_board_spec
from edgert.profiling.energy.measure import measure_energy
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.steady import Steady
from edgert.profiling.journal import ProfileJournal
from edgert.profiling.profile import EnergyOf, EngineEnergy
from edgert.records import EnergyFigure

_WARM_C = 60.0  # die temperature that a predicted energy is stated at
_STEADY_S = 30.0
_WARM_UP_MOST = 20  # times --warm-up-s


def plan_from(arguments: argparse.Namespace, lead_s: float = 1.0) -> Plan:
    """How the verb's flags want energy measured; without sensors a lead of 1 s stands."""
    return Plan(
        windows=arguments.windows,
        window_s=arguments.window_s,
        idle_s=arguments.idle_s,
        lead_s=lead_s,
        paced_hz=arguments.paced_fps,
        warm_up_s=arguments.warm_up_s,
        warm_up_most_s=_WARM_UP_MOST * arguments.warm_up_s,
        steady=Steady(over_s=min(_STEADY_S, arguments.warm_up_s)),
    )


def method_from(arguments: argparse.Namespace) -> str:
    """How the profile's energies come about, in words; "" where they are not measured."""
    if not arguments.energy:
        return ""
    plan = plan_from(arguments)
    method = f"energy of {plan.identity()} before and after, engines in turns"
    if plan.paced_hz is not None:
        method += (
            "; power_w is worked out for back to back: idle, and energy above it over latency"
        )
    return method


class MeasuredEnergy:
    """Measures energies once latencies are known, as `profile_engines` asks for them."""

    def __init__(
        self, arguments: argparse.Namespace, open_bench: OpenBench, journal: ProfileJournal
    ) -> None:
        self._arguments = arguments
        self._open_bench = open_bench
        self._journal = journal
        self._bench: Bench | None = None

    def __call__(self, engines: Mapping[str, tuple[float, int]]) -> dict[str, EngineEnergy]:
        """From latency and MACs of each engine to its energy."""
        loads = {n: EngineLoad(latency_s=t, macs=macs) for n, (t, macs) in engines.items()}
        self._bench = bench = self._open_bench(loads)
        with ProgressBar("energy") as progress:
            figures = measure_energy(
                {name: bench.run_of(name) for name in loads},
                bench.meter,
                bench.sensing,
                plan_from(self._arguments, bench.lead_s),
                journal=self._journal.windows_file,
                identity=self._journal.parts.identity,
                progress=seconds(progress),
            )
        return {
            name: EngineEnergy(
                power_w=back_to_back_w(figure, loads[name].latency_s),
                energy_j=figure.total_j,
                provenance=figure.provenance,
                figure=figure,
            )
            for name, figure in figures.items()
        }

    def trace(self) -> Any:
        """Times and powers of all samples, with what lies between the windows."""
        if self._bench is None:
            return None
        samples = self._bench.meter.samples
        return samples.time_s, samples.power_w


def back_to_back_w(figure: EnergyFigure, latency_s: float) -> float:
    """The board's power while an engine runs back to back, as a controller takes it.

    Of frames at a pace it is worked out: idle, and the energy above it over the time of one run.
    """
    if figure.paced_hz is None:
        return figure.power_w
    return figure.idle_w + max(0.0, figure.marginal_j) / latency_s


def predicted_energy(board: str) -> EnergyOf:
    """What engines draw back to back on an emulated board, warm but not throttled."""
    spec = find_board_spec(board)

    def energy_of(engines: Mapping[str, tuple[float, int]]) -> dict[str, EngineEnergy]:
        loads = {n: EngineLoad(latency_s=t, macs=macs) for n, (t, macs) in engines.items()}
        model = PowerModel(spec.power, max(loads.values(), key=lambda load: load.latency_s))
        predicted = {n: model.predict(load, temp_c=_WARM_C) for n, load in loads.items()}
        return {
            name: EngineEnergy(power_w=power_w, energy_j=energy_j, provenance="emulated")
            for name, (power_w, energy_j) in predicted.items()
        }

    return energy_of


def seconds(progress: ProgressBar) -> Callable[[float, float, str], None]:
    """A bar over seconds done and seconds to go."""
    return lambda done_s, to_go_s, what: progress(
        round(done_s), round(done_s + to_go_s), f"s, {what}"
    )
