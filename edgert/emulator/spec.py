"""The constants of an emulated board and the YAML file they are read from."""

from pathlib import Path

import msgspec

from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.power import PowerSpec
from edgert.emulator.thermal import ThermalSpec
from edgert.emulator.throttle import ThrottleSpec
from edgert.errors import SettingsError
from edgert.records import Name, NotNegative, Ratio, Record
from edgert.schema import record_from_yaml


class SensorSpec(Record, frozen=True, kw_only=True):
    """How the board's sensors see the truth; all zero: exactly.

    `averaging_s` is the time constant of the power sensor's own mean. Steps quantise, noise is
    the standard deviation of a seeded normal distribution. With `ina3221` the power is what that
    chip's registers hold at the moment of the read, and the three other power fields are unused.
    """

    power_step_w: NotNegative = 0.0
    power_noise_w: NotNegative = 0.0
    averaging_s: NotNegative = 0.0
    temp_step_c: NotNegative = 0.0
    temp_noise_c: NotNegative = 0.0
    ina3221: Ina3221Spec | None = None


class BoardSpec(Record, frozen=True, kw_only=True):
    """An emulated board. `zones` gives each thermal zone's place between sink (0) and die (1)."""

    name: Name
    description: str
    power: PowerSpec
    thermal: ThermalSpec
    throttle: ThrottleSpec
    sensor: SensorSpec = SensorSpec()
    zones: dict[str, Ratio] = msgspec.field(default_factory=lambda: {"tj": 1.0})

    def __post_init__(self) -> None:
        if not self.zones:
            raise ValueError("zones must name at least one thermal zone")


def read_board_spec(path: Path | str) -> BoardSpec:
    """Read a board from YAML.

    Raises:
        SettingsError: No such file, no YAML, an unknown or missing key, a wrong type or range;
            one line with the file, the path in it, what was expected and what was there.
    """
    return record_from_yaml(Path(path), BoardSpec, SettingsError)
