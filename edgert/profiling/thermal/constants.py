"""What a step test found, as the record that is kept: constants, and how they came about."""

from typing import NamedTuple

from edgert.profiling.thermal.checks import StepPlan, StepTest
from edgert.profiling.thermal.step import Calibration
from edgert.records import ThermalConstants


class Subject(NamedTuple):
    """What was tested; "" where that is not known. `emulated` whatever the samples say."""

    device: str
    board: str
    engine: str
    power_mode: str = ""
    emulated: bool = False


def constants_from(
    found: Calibration, test: StepTest, plan: StepPlan, subject: Subject
) -> ThermalConstants:
    """The record of a calibration.

    Args:
        found: What the fit gave.
        test: What it was fitted on.
        plan: What was asked for.
        subject: What it was done with; the samples' own power mode goes before its.
    """
    fit, modes = found.fit, test.seen.power_modes
    return ThermalConstants(
        die_j_per_k=fit.constants.die_j_per_k,
        sink_j_per_k=fit.constants.sink_j_per_k,
        die_to_sink_k_per_w=fit.constants.die_to_sink_k_per_w,
        sink_to_ambient_k_per_w=fit.constants.sink_to_ambient_k_per_w,
        idle_w=found.idle_w,
        ambient_c=fit.ambient_c,
        residual_c=fit.residual_c,
        board=subject.board,
        device=subject.device,
        power_mode=modes[0] if modes else subject.power_mode,
        provenance="emulated" if subject.emulated else test.seen.provenance,
        method=method_of(found, test, plan, subject.engine),
        samples=found.samples,
    )


def method_of(found: Calibration, test: StepTest, plan: StepPlan, engine: str) -> str:
    """How the constants came about, in one line of words."""
    load_s = test.load_to_s - test.load_from_s
    errors = ", ".join(
        f"{name} {error:.1%}" for name, error in found.fit.errors.items() if "_per_" in name
    )
    nodes = "two nodes" if found.fit.nodes == 2 else "one node, written as two"
    played = f"step test: idle {plan.idle_s:g} s, {engine} back to back {load_s:.0f} s, idle"
    parts = [played, nodes, f"standard errors {errors}", *found.notes]
    return "; ".join(parts)
