"""Which files a kind of board has, as data: one YAML file per board under layouts/.

A layout says where a value lies, under which name and in which steps. What the values are is
left to the physics, in whose terms rails and zones are given here as shares and places.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgert.emulator.power import PowerSpec
from edgert.emulator.rails import RailShare
from edgert.errors import SettingsError
from edgert.records import Name, NotNegative, Positive, Ratio, Record
from edgert.schema import record_from_yaml

LAYOUTS = Path(__file__).resolve().parent / "layouts"
NOT_CONNECTED = "NC"

ReleaseName = Literal["jetpack6", "jetpack7"]


class Release(Record, frozen=True, kw_only=True):
    """What a JetPack changes: its L4T number, and whether the GPU has enable_3d_scaling."""

    l4t: str
    scaling_file: bool


class Channel(Record, frozen=True, kw_only=True):
    """One input of a power chip: its rail, as shares of what the board draws.

    within: the rail that this one's power has come through already.
    """

    label: str
    shunt_ohm: Positive = 0.005
    supply_v: Positive = 5.0
    idle_ratio: NotNegative = 0.0
    compute_ratio: NotNegative = 0.0
    memory_ratio: NotNegative = 0.0
    within: str = ""

    def rail(self, power: PowerSpec) -> RailShare:
        """The share in the terms of a board's physics."""
        return RailShare(
            idle_w=self.idle_ratio * power.idle_w,
            compute_ratio=self.compute_ratio,
            memory_ratio=self.memory_ratio,
        )


class Chip(Record, frozen=True, kw_only=True):
    """A power monitor: its driver, its device's folder below /sys, its hwmon number."""

    driver: Literal["ina3221", "ina238"]
    device: str
    hwmon: int
    channels: Annotated[list[Channel], msgspec.Meta(min_length=1, max_length=3)]
    curr_crit_ma: int = 32760  # what the driver says while no limit is set

    @property
    def folder(self) -> str:
        """The hwmon folder, below /sys."""
        return f"{self.device}/hwmon/hwmon{self.hwmon}"


class Zone(Record, frozen=True, kw_only=True):
    """A thermal zone: its place between heat sink (0) and die (1), or gated and unreadable."""

    type: str
    place: Ratio = 1.0
    gated: bool = False


class Gpu(Record, frozen=True, kw_only=True):
    """The GPU's devfreq device; without a `name` jetson-stats leaves it to NVML."""

    device: str
    parent: str
    name: str = ""
    load_file: bool
    tpc_pg_mask: int
    frequencies_hz: Annotated[list[int], msgspec.Meta(min_length=2)]


class Cpu(Record, frozen=True, kw_only=True):
    """The processor: cores, how many share a clock, and the lowest clock."""

    cores: Annotated[int, msgspec.Meta(ge=1)]
    policy_cores: Annotated[int, msgspec.Meta(ge=1)]
    least_hz: int


class MemoryClock(Record, frozen=True, kw_only=True):
    """The memory controller's clock range in Hz."""

    least: int
    most: int


class Mode(Record, frozen=True, kw_only=True):
    """A power mode: nvpmodel's number and name, and the clock caps that it sets."""

    id: int
    name: str
    gpu_hz: int
    cpu_hz: int
    memory_hz: int
    cores: int | None = None
    tpc_pg_mask: int | None = None


class Layout(Record, frozen=True, kw_only=True):
    """The files of one kind of board; `physics` names the board file that fits it."""

    name: Name
    physics: Name
    model: str
    compatible: Annotated[list[str], msgspec.Meta(min_length=1)]
    board_ids: str
    sku: str
    releases: dict[ReleaseName, Release]
    chips: Annotated[list[Chip], msgspec.Meta(min_length=1)]
    zones: Annotated[list[Zone], msgspec.Meta(min_length=1)]
    critical_c: float
    gpu: Gpu
    cpu: Cpu
    memory_bytes: int
    memory_hz: MemoryClock
    default_mode: int
    power_modes: Annotated[list[Mode], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        if self.default_mode not in {mode.id for mode in self.power_modes}:
            raise ValueError(f"default_mode {self.default_mode} is none of power_modes")

    def mode(self, wanted: int | str) -> Mode:
        """A power mode by its number or name.

        Raises:
            SettingsError: There is no such mode.
        """
        for mode in self.power_modes:
            if wanted in {mode.id, mode.name}:
                return mode
        raise SettingsError(
            f"set power mode of {self.name}",
            expected=" or ".join(mode.name for mode in self.power_modes),
            got=repr(wanted),
            advice="Name one of these",
        )

    def release(self, name: str) -> Release:
        """A release by its name.

        Raises:
            SettingsError: The board has no such release.
        """
        for known, release in self.releases.items():
            if known == name:
                return release
        raise SettingsError(
            f"lay out {self.name}",
            expected=" or ".join(self.releases),
            got=repr(name),
            advice="Choose a release that this board has",
        )


def layout_names(folder: Path = LAYOUTS) -> list[str]:
    """The layouts that there are, sorted."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def load_layout(name: str, *, folder: Path = LAYOUTS) -> Layout:
    """Read the layout of a board.

    Raises:
        SettingsError: There is none of that name, or it is damaged.
    """
    if name not in layout_names(folder):
        raise SettingsError(
            f"find layout {name}",
            expected=" or ".join(layout_names(folder)) or "none here",
            got="another name",
            advice="Correct the name",
        )
    return record_from_yaml(folder / f"{name}.yaml", Layout, SettingsError)
