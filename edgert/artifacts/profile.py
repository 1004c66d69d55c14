"""profile.json and the table beside it: what was measured of each engine on one board."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgert.artifacts.files import write_atomically, write_record
from edgert.errors import ArtifactError
from edgert.records import Profile, ProfileEntry
from edgert.schema import record_from_json


def load_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ArtifactError: One line that names the file and what is wrong in it.
    """
    return record_from_json(path, Profile, ArtifactError)


def save_profile(path: Path, profile: Profile) -> None:
    """Write a profile, indented, so that it can be read and compared."""
    write_record(path, profile)


def save_profile_table(path: Path, profile: Profile) -> None:
    """Write a profile as CSV, one row an engine, in SI units; what is not known stays empty."""
    rows = [_row(profile, entry) for entry in profile.entries]
    write_atomically(path, csv_from_rows(rows))


def csv_from_rows(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV under the first one's keys; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(["" if value is None else value for value in row.values()] for row in rows)
    return text.getvalue()


def _row(profile: Profile, entry: ProfileEntry) -> dict[str, object]:
    latency, figure = entry.latency, entry.energy
    ratio = figure.baseline if figure else None
    total, marginal = (
        (figure.total_interval_j, figure.marginal_interval_j) if figure else ((None, None),) * 2
    )
    of_baseline = ratio.total_interval if ratio else (None, None)
    return {
        "family": profile.family,
        "device": profile.device,
        "board": figure.board if figure else profile.board,
        "configuration": entry.name,
        "macs": entry.macs,
        "latency_s": entry.latency_s,
        "latency_p95_s": latency.p95_s if latency else None,
        "latency_iqr_s": latency.iqr_s if latency else None,
        "latency_runs": latency.runs if latency else None,
        "latency_from": entry.latency_from,
        "accuracy": entry.accuracy,
        "accuracy_from": entry.accuracy_from,
        "accuracy_frames": entry.accuracy_frames,
        "accuracy_low": (entry.accuracy_interval or (None, None))[0],
        "accuracy_high": (entry.accuracy_interval or (None, None))[1],
        "agreement": entry.agreement,
        "power_w": entry.power_w,
        "energy_j": entry.energy_j,
        "energy_low_j": total[0],
        "energy_high_j": total[1],
        "energy_from": entry.energy_from,
        "marginal_j": figure.marginal_j if figure else None,
        "marginal_low_j": marginal[0],
        "marginal_high_j": marginal[1],
        "idle_w": figure.idle_w if figure else None,
        "window_power_w": figure.power_w if figure else None,
        "paced_hz": figure.paced_hz if figure else None,
        "power_mode": figure.power_mode if figure else None,
        "windows": figure.windows if figure else None,
        "samples": figure.samples if figure else None,
        "baseline": ratio.baseline if ratio else None,
        "energy_of_baseline_ratio": ratio.total if ratio else None,
        "energy_of_baseline_low_ratio": of_baseline[0],
        "energy_of_baseline_high_ratio": of_baseline[1],
    }
