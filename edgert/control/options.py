"""A profile as a controller reads it: one row per configuration, checked, every gap filled."""

import hashlib
import math
from collections.abc import Mapping
from typing import NamedTuple

from edgert.errors import NoFeasibleConfigurationError
from edgert.records import Profile, ProfileEntry

NOMINAL_POWER_W = 10.0  # stands in where nothing is known; the readings correct it
IDLE_SHARE = 0.3  # of the smallest power in the profile, where the idle power is not known


class Option(NamedTuple):
    """One configuration: what it costs and gives, by the profile.

    `energy_j` is what one inference draws above idle. `accuracy` is the profile's, or a rank by
    cost where the profile does not have it of all entries.
    """

    name: str
    latency_s: float
    power_w: float
    energy_j: float
    accuracy: float


class Options:
    """The configurations worth choosing from, cheapest in time first.

    Dominated ones are left out: those for which another one is at least as fast, draws at most as
    much energy an inference and is at least as accurate.

    Attributes:
        rows: The configurations, fastest first.
        better: Of each configuration, the rows that are more accurate.
        all_rows, all_names: Dominated ones as well.
        idle_w: The board's power with nothing to do.
        power_known: Whether the profile has power for every entry; else it is learned.
        noise: Variance of a latency relative to its median, None where it was not measured.

    Args:
        profile: At least one entry.
        idle_w: The board's idle power, where it was measured.

    Raises:
        NoFeasibleConfigurationError: No entry at all, two of one name, or a figure that is none:
            infinite, not a number, a latency that is not positive.
    """

    def __init__(self, profile: Profile, *, idle_w: float | None = None) -> None:
        entries = _checked(profile)
        powers_w = [power_w for power_w in map(_power_w, entries) if power_w is not None]
        self.power_known = len(powers_w) == len(entries)
        self.idle_w = _idle_w(entries, idle_w, min(powers_w, default=NOMINAL_POWER_W))
        self.noise = _noise(entries)
        self._profiled = [
            self._option(entry, rank) for entry, rank in zip(entries, _ranks(entries), strict=True)
        ]
        self.all_names = tuple(row.name for row in self._profiled)
        self._order(self._profiled)

    def believe(self, accuracies: Mapping[str, float]) -> None:
        """Take these accuracies in place of the profile's; those not named keep theirs.

        Rows, dominance and what is better are worked out anew, with new `Option`s.

        Raises:
            KeyError: The profile has none of a name.
            ValueError: An accuracy is no share from 0 to 1.
        """
        for name, accuracy in accuracies.items():
            if name not in self.all_rows:
                raise KeyError(f"{name!r} is not among {list(self.all_names)}")
            if not 0 <= accuracy <= 1:
                raise ValueError(f"an accuracy is a share from 0 to 1, not {accuracy} ({name})")
        self._order(
            [
                row._replace(accuracy=accuracies.get(row.name, row.accuracy))
                for row in self._profiled
            ]
        )

    def _order(self, rows: list[Option]) -> None:
        self.all_rows = {row.name: row for row in rows}
        kept = [row for row in rows if not any(_dominates(other, row) for other in rows)]
        self.rows = tuple(sorted(kept, key=lambda row: (row.latency_s, row.energy_j, row.name)))
        self._kept = frozenset(row.name for row in kept)
        self.better = {
            row.name: tuple(other for other in kept if other.accuracy > row.accuracy)
            for row in rows
        }

    def is_kept(self, option: Option) -> bool:
        """Whether a configuration is among the rows: not dominated."""
        return option.name in self._kept

    def _option(self, entry: ProfileEntry, accuracy: float) -> Option:
        known_w = _power_w(entry) if self.power_known else None
        power_w = max(known_w or NOMINAL_POWER_W, self.idle_w)
        energy_j = (power_w - self.idle_w) * entry.latency_s
        return Option(entry.name, entry.latency_s, power_w, energy_j, accuracy)


def fingerprint(profile: Profile) -> str:
    """A short hash of what a controller reads of a profile, to tell profiles apart."""
    rows = [(e.name, e.latency_s, e.power_w, e.energy_j, e.accuracy) for e in profile.entries]
    return hashlib.sha256(repr((profile.family, rows)).encode()).hexdigest()[:16]


def _checked(profile: Profile) -> list[ProfileEntry]:
    if not profile.entries:
        raise _unusable("at least one configuration", "none", "Measure it: edgert profile")
    names = [entry.name for entry in profile.entries]
    for entry in profile.entries:
        if names.count(entry.name) > 1:
            raise _unusable("each name once", f"{entry.name!r} twice", "Take one of them out")
        if not (math.isfinite(entry.latency_s) and entry.latency_s > 0):
            raise _bad_figure(entry, "latency_s", "seconds above 0", entry.latency_s)
        if entry.power_w is not None and not (math.isfinite(entry.power_w) and entry.power_w > 0):
            raise _bad_figure(entry, "power_w", "watts above 0", entry.power_w)
        if entry.energy_j is not None and not (
            math.isfinite(entry.energy_j) and entry.energy_j > 0
        ):
            raise _bad_figure(entry, "energy_j", "joules above 0", entry.energy_j)
        if entry.accuracy is not None and not 0 <= entry.accuracy <= 1:
            raise _bad_figure(entry, "accuracy", "a share from 0 to 1", entry.accuracy)
    return list(profile.entries)


def _power_w(entry: ProfileEntry) -> float | None:
    """Back to back: as measured, or from the energy of an inference."""
    if entry.power_w is not None or entry.energy_j is None:
        return entry.power_w
    return entry.energy_j / entry.latency_s


def _bad_figure(
    entry: ProfileEntry, field: str, expected: str, got: float
) -> NoFeasibleConfigurationError:
    return _unusable(
        expected, f"{got} as {field} of {entry.name}", "Measure it again: edgert profile"
    )


def _unusable(expected: str, got: str, advice: str) -> NoFeasibleConfigurationError:
    return NoFeasibleConfigurationError(
        "choose from a profile", expected=expected, got=got, advice=advice
    )


def _ranks(entries: list[ProfileEntry]) -> list[float]:
    """The accuracies, or ranks by cost where one is missing: dearer counts as better."""
    known = [entry.accuracy for entry in entries if entry.accuracy is not None]
    if len(known) == len(entries):
        return known
    order = sorted(entry.latency_s for entry in entries)
    return [(1 + order.index(entry.latency_s)) / len(order) for entry in entries]


def _idle_w(entries: list[ProfileEntry], given_w: float | None, least_w: float) -> float:
    """What was measured where there is something; never above the smallest power."""
    measured_w = [e.energy.idle_w for e in entries if e.energy is not None and e.energy.idle_w > 0]
    if given_w is not None and math.isfinite(given_w) and given_w > 0:
        return min(given_w, least_w)
    if measured_w:
        return min(sorted(measured_w)[len(measured_w) // 2], least_w)
    return IDLE_SHARE * least_w


def _noise(entries: list[ProfileEntry]) -> float | None:
    """Squared coefficient of variation, from the quartiles: a normal's IQR is 1.349 sigma."""
    spreads = [
        (entry.latency.iqr_s / 1.349 / entry.latency.median_s) ** 2
        for entry in entries
        if entry.latency is not None
    ]
    return sorted(spreads)[len(spreads) // 2] if spreads else None


def _dominates(one: Option, other: Option) -> bool:
    """Whether `one` is nowhere worse and somewhere better; of equals, the first name stays."""
    if one is other or (one.name == other.name):
        return False
    here = (one.latency_s, one.energy_j, -one.accuracy)
    there = (other.latency_s, other.energy_j, -other.accuracy)
    if any(a > b for a, b in zip(here, there, strict=True)):
        return False
    return here != there or one.name < other.name
