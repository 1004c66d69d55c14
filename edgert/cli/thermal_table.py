"""Thermal constants on a terminal: figures with their errors, and what they mean."""

from pathlib import Path

from edgert.cli.output import print_table
from edgert.profiling.thermal.response import NodeConstants, modes_from_nodes
from edgert.profiling.thermal.step import Calibration
from edgert.records import ThermalConstants
from edgert.units import text_from_duration

_UNITS = {
    "die_to_sink_k_per_w": "K/W",
    "die_j_per_k": "J/K",
    "sink_to_ambient_k_per_w": "K/W",
    "sink_j_per_k": "J/K",
}


def print_constants(output: Path, constants: ThermalConstants, found: Calibration) -> None:
    """Print what was found, what it means, and what to think of it."""
    told = [constants.board or constants.device, constants.power_mode, constants.provenance]
    print(f"{output}: {', '.join(filter(None, told))}")
    errors = found.fit.errors
    print_table(
        [
            {
                "constant": name,
                "value": f"{getattr(constants, name):.4g}",
                "unit": unit,
                "±": f"{100 * errors[name]:.2g} %" if name in errors else "placed",
            }
            for name, unit in _UNITS.items()
        ],
        left=("constant", "unit"),
    )
    for line in lines_in_words(constants, ambient_error_k=errors.get("ambient_c")):
        print(line)
    for note in found.notes:
        print(f"note: {note}")


def lines_in_words(
    constants: ThermalConstants, *, ambient_error_k: float | None = None
) -> list[str]:
    """What the constants say to somebody who wants to know how warm the board gets."""
    nodes = NodeConstants(*(getattr(constants, name) for name in NodeConstants._fields))
    modes = modes_from_nodes(nodes)
    total = nodes.die_to_sink_k_per_w + nodes.sink_to_ambient_k_per_w
    lines = [
        f"each watt more warms the die by {total:.2f} K in the end: "
        f"{modes.fast_k_per_w:.2f} K within {text_from_duration(3 * modes.fast_s)}, "
        f"{modes.slow_k_per_w:.2f} K within {text_from_duration(3 * modes.slow_s)}",
        f"time constants: die {text_from_duration(modes.fast_s)}, "
        f"sink {text_from_duration(modes.slow_s)}",
    ]
    if constants.ambient_c is not None and constants.idle_w is not None:
        error = "" if ambient_error_k is None else f" ± {ambient_error_k:.2g}"
        idle_c = constants.ambient_c + total * constants.idle_w
        lines.append(
            f"air of {constants.ambient_c:.2f}{error} °C around the heat sink; idle "
            f"{constants.idle_w:.2f} W, which settles at {idle_c:.1f} °C"
        )
    if constants.residual_c is not None:
        lines.append(
            f"the fit leaves {constants.residual_c:.2g} K (root mean square over the test, "
            f"{constants.samples} samples)"
        )
    return lines
