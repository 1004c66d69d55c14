"""Profiles with energy figures, for tests of what is made of them."""

from edgert.records import (
    EnergyFigure,
    EnergyRatio,
    LatencyStatistics,
    Profile,
    ProfileEntry,
    Provenance,
)


def figure(total_j: float = 0.447, *, half_j: float = 0.012, **changes: object) -> EnergyFigure:
    """A figure whose intervals reach `half_j` to either side."""
    plain: dict[str, object] = {
        "total_j": total_j,
        "total_interval_j": (total_j - half_j, total_j + half_j),
        "marginal_j": total_j / 2,
        "marginal_interval_j": (total_j / 2 - half_j, total_j / 2 + half_j),
        "power_w": 9.0, "idle_w": 4.5, "provenance": "measured", "source": "sysfs",
        "board": "jetson-x", "rails": ["VDD_IN"], "sensor_bound": "data sheet",
        "power_mode": "15W", "temp_range_c": (50.0, 61.0), "windows": 5, "window_s": 10.0,
        "inferences": 1000, "samples": 2500,
    }  # fmt: skip
    return EnergyFigure(**{**plain, **changes})  # type: ignore[arg-type]


def entry(
    name: str, total_j: float | None, accuracy: float | None, provenance: Provenance = "measured",
    *, baseline: float | None = None, **changes: object,
) -> ProfileEntry:  # fmt: skip
    """An engine; without an energy where `total_j` is None."""
    ratio = None
    if baseline is not None:
        ratio = EnergyRatio(
            baseline="full", total=baseline, total_interval=(baseline - 0.02, baseline + 0.02),
            pairs=5,
        )  # fmt: skip
    found = total_j and figure(
        total_j, provenance=provenance, baseline=ratio, half_j=total_j * 0.027, **changes
    )
    return ProfileEntry(
        name=name, latency_s=0.05, accuracy=accuracy, accuracy_from="mIoU on 5 frames of toy",
        latency=LatencyStatistics(
            median_s=0.05, p95_s=0.06, p99_s=0.07, iqr_s=0.004, runs=50, warmup_runs=3
        ),
        power_w=9.0 if total_j else None, energy_j=total_j,
        energy_from=provenance if total_j else None, energy=found or None,
    )  # fmt: skip


def profile(*entries: ProfileEntry, **changes: object) -> Profile:
    """Of a device named d."""
    return Profile(family="toy", device="d", entries=list(entries), **changes)  # type: ignore[arg-type]
