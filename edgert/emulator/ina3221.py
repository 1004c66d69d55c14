"""The INA3221 current monitor: when it looks at a channel, and what it makes of what it sees.

The chip converts one voltage after the other: shunt and bus of channel 1, of channel 2, of
channel 3, 1.1 ms each, then all over again. With the Linux driver's settings a channel's current
is so looked at for 1.1 ms of every 6.6 ms. `samples` such looks are averaged on the chip before
a register takes a new value. Between two values the register stands still.

    from edgert.emulator.ina3221 import Ina3221Spec
    chip = Ina3221Spec(phase_s=0.0021)    # where on the clock its cycle begins: draw it at random
    slow = Ina3221Spec(samples=64)        # hwmon `samples`: mean of 64 looks, 422 ms

Source:
    Texas Instruments SBOS576 (steps, times, offsets, order of conversions); Linux
    drivers/hwmon/ina3221.c (configuration 0x7127, units). Differs: the two voltages of one
    channel may be taken at one moment in a simulation, on the chip they are 1.1 ms apart.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from edgert.records import NotNegative, Positive, Record

Array = npt.NDArray[np.float64]
Values = TypeVar("Values", float, Array)  # one value in, one out; an array in, an array out

SHUNT_STEP_V = 40e-6
BUS_STEP_V = 8e-3
CHANNELS = 3  # the driver leaves all three on
SAMPLES = (1, 4, 16, 64, 128, 256, 512, 1024)
_LARGEST = 4095  # of a signed 13-bit register
_ENDED = 1e-9  # of a batch: a time on its end, but for rounding, is behind it


class Ina3221Spec(Record, frozen=True, kw_only=True):
    """One chip as it is set up.

    `phase_s` places the chip's cycle on the clock. The offsets are added to what the chip sees
    and `shunt_gain_ratio` multiplies it: the data sheet allows +-80 uV, +-16 mV and 0.25 %.
    `supply_v` is the rail's true voltage, taken as constant.
    """

    shunt_ohm: Positive = 0.005
    supply_v: Positive = 5.0
    conversion_s: Annotated[float, msgspec.Meta(ge=140e-6, le=8.244e-3)] = 1.1e-3
    samples: Literal[1, 4, 16, 64, 128, 256, 512, 1024] = 1
    phase_s: float = 0.0
    shunt_offset_v: Annotated[float, msgspec.Meta(ge=-1e-3, le=1e-3)] = 0.0
    bus_offset_v: Annotated[float, msgspec.Meta(ge=-0.1, le=0.1)] = 0.0
    shunt_gain_ratio: Positive = 1.0
    shunt_noise_v: NotNegative = 0.0  # standard deviation of one register value

    @property
    def look_period_s(self) -> float:
        """From one look at a channel to the next."""
        return 2 * CHANNELS * self.conversion_s

    @property
    def update_period_s(self) -> float:
        """From one new register value of a channel to the next."""
        return self.look_period_s * self.samples

    @property
    def current_step_a(self) -> float:
        """What the current is rounded to: 8 mA with 5 mOhm."""
        return SHUNT_STEP_V / self.shunt_ohm


def batches_at(chip: Ina3221Spec, channel: int, times_s: Values) -> Values:
    """Number of the last finished register value of a channel (0 to 2) at each time."""
    late_s = first_look_s(chip, channel, 0.0) + chip.conversion_s - chip.look_period_s
    batches: Values = np.floor((times_s - late_s) / chip.update_period_s + _ENDED) - 1
    return batches


def first_look_s(chip: Ina3221Spec, channel: int, batches: Values) -> Values:
    """Start of the first look of each register value; the others follow by `look_period_s`."""
    if not 0 <= channel < CHANNELS:
        raise ValueError(f"the chip has channels 0 to {CHANNELS - 1}, not {channel}")
    return chip.phase_s + 2 * channel * chip.conversion_s + batches * chip.update_period_s


def looks_of(chip: Ina3221Spec, channel: int, batches: Array) -> Array:
    """Start of every look that each register value is the mean of, (N, samples)."""
    steps_s = np.arange(chip.samples, dtype=np.float64) * chip.look_period_s
    looks_s: Array = first_look_s(chip, channel, batches)[:, None] + steps_s[None, :]
    return looks_s


def current_steps(chip: Ina3221Spec, power_w: Values, noise_v: Array | float = 0.0) -> Values:
    """Register values (whole steps) for the mean power that the chip saw."""
    shunt_v = power_w / chip.supply_v * chip.shunt_ohm * chip.shunt_gain_ratio
    steps = np.round((shunt_v + chip.shunt_offset_v + noise_v) / SHUNT_STEP_V)
    held: Values = np.minimum(np.maximum(steps, -_LARGEST - 1), _LARGEST)
    return held


def bus_v(chip: Ina3221Spec) -> float:
    """The voltage that the chip reports, in steps of 8 mV."""
    return round((chip.supply_v + chip.bus_offset_v) / BUS_STEP_V) * BUS_STEP_V


def driver_units(chip: Ina3221Spec, steps: float) -> tuple[int, int]:
    """What the Linux driver makes of a register value: whole mV and whole mA."""
    return round(bus_v(chip) * 1e3), round(steps * chip.current_step_a * 1e3)
