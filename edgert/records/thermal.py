"""How a board takes up heat and gives it away, as one step test showed it."""

from typing import Annotated, Literal

import msgspec

from edgert.records.base import NotNegative, Positive, Provenance, Record


class ThermalConstants(Record, frozen=True, kw_only=True):
    """A board as two nodes, die and heat sink, of which the die is what sensors see.

        C_die  dT_die/dt  = P - (T_die - T_sink) / R_ds
        C_sink dT_sink/dt = (T_die - T_sink) / R_ds - (T_sink - T_ambient) / R_sa

    `residual_c` is the root mean square of what the fit leaves unexplained, `ambient_c` the air
    during the test as the fit has it.
    """

    format: Literal[1] = 1
    die_j_per_k: Positive
    sink_j_per_k: Positive
    die_to_sink_k_per_w: Positive
    sink_to_ambient_k_per_w: Positive
    idle_w: Positive | None = None  # the module's power with nothing to do
    ambient_c: float | None = None
    residual_c: NotNegative | None = None
    zone: str = ""  # whose temperature was fitted; "": the hottest
    board: str = ""
    device: str = ""
    power_mode: str = ""
    provenance: Provenance = "measured"
    method: str = ""  # how the figures came about, in words
    samples: Annotated[int, msgspec.Meta(ge=0)] = 0
