"""What a controller has learned, as it is kept from one start to the next."""

from typing import Literal

from edgert.records.base import NotNegative, Positive, Ratio, Record


class ControllerState(Record, frozen=True, kw_only=True):
    """The estimates of the predictive controller. Temperatures are not in it: they are read anew.

    `profile` is a hash of the figures that the controller reads of the profile, so that a state
    is not taken over by a controller of other engines or another board.
    """

    format: Literal[1] = 1
    family: str
    device: str
    board: str = ""
    profile: str
    slowdown: Positive = 1.0
    margin_ratio: NotNegative = 0.0
    power_bias: Positive = 1.0
    power_exponent: Ratio = 1.0
    own_power_biases: dict[str, Positive] = {}
    thermal_corrections: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    thermal: str = ""  # hash of the constants that the corrections are of; "" without any
    spent_j: NotNegative = 0.0  # of the mission's energy
    elapsed_s: NotNegative = 0.0  # of the mission
    pinned: str | None = None
