"""The two roofs of a board in a power mode: operations a second, and bytes a second.

Source: the peak rates that NVIDIA publishes for Orin modules follow from these operations a
multiprocessor and clock, with the sparse figures halved; bandwidths from the bus's width at two
transfers a clock.
"""

from dataclasses import dataclass

from edgert.boards import Board, PowerMode
from edgert.errors import SettingsError
from edgert.records import Precision

# Operations (two to a multiply-accumulate) of the tensor cores, dense.
_OPERATIONS_PER_CLOCK: dict[tuple[str, Precision], int] = {
    ("8.7", "fp16"): 2048,
    ("8.7", "int8"): 4096,
}
_ELEMENT_BYTES: dict[Precision, int] = {"fp16": 2, "int8": 1}


@dataclass(frozen=True)
class Peaks:
    """What a board could do at most, and the GPU's clock."""

    operations_per_s: float
    bytes_per_s: float
    gpu_hz: float
    element_bytes: int


def peaks_of(board: Board, mode: PowerMode, precision: Precision) -> Peaks:
    """The roofs, where the board's file has what they follow from.

    Raises:
        SettingsError: Something that is needed is unknown, of this board or in this power mode.
    """
    subject = f"model {board.name} in {mode.name} at {precision}"
    rate = _OPERATIONS_PER_CLOCK.get((board.compute_capability, precision))
    if rate is None:
        known = ", ".join(f"{kind} on {arch}" for arch, kind in _OPERATIONS_PER_CLOCK)
        raise SettingsError(
            subject,
            expected=f"a precision and compute capability with published peaks ({known})",
            got=f"{precision} on {board.compute_capability or 'an unknown one'}",
            advice="Measure on the board: edgert profile",
        )
    multiprocessors = mode.multiprocessors or board.multiprocessors
    bus_bits, gpu_hz, memory_hz = board.memory_bus_bits, mode.gpu_hz, mode.memory_hz
    if multiprocessors is None or bus_bits is None or gpu_hz is None or memory_hz is None:
        needed = {
            "multiprocessors": multiprocessors,
            "memory_bus_bits": bus_bits,
            "gpu_hz": gpu_hz,
            "memory_hz": memory_hz,
        }
        raise SettingsError(
            subject,
            expected=f"{', '.join(needed)} in the board's file",
            got=f"no {', no '.join(name for name, value in needed.items() if value is None)}",
            advice="Add it with its source, or choose another power mode",
        )
    return Peaks(
        operations_per_s=multiprocessors * gpu_hz * rate,
        bytes_per_s=bus_bits / 8 * 2 * memory_hz,
        gpu_hz=gpu_hz,
        element_bytes=_ELEMENT_BYTES[precision],
    )
