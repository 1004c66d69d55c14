"""What lies beside a profile: windows, plots; and the files of a long play."""

from pathlib import Path
from typing import Any

import msgspec

from edgert.artifacts import csv_from_rows, write_atomically
from edgert.profiling.journal import ProfileJournal
from edgert.profiling.sustained import SustainedRun
from edgert.records import Profile


def beside(output: Path, name: str) -> Path:
    """p.json, "power.png" becomes p.power.png."""
    return output.with_name(f"{output.stem}.{name}")


def write_profile_files(
    output: Path,
    profile: Profile,
    journal: ProfileJournal,
    *,
    kind: Any,
    trace: Any = None,
) -> list[Path]:
    """Write the windows that energies come from, and the plots.

    Args:
        output: The profile.
        profile: What was measured.
        journal: Whose finished parts are drawn.
        kind: "png", "svg" or "none".
        trace: Times and powers of all samples.

    Returns:
        The files.

    Raises:
        MissingDependencyError: Plots are wanted and matplotlib is not installed.
    """
    files = []
    windows = journal.windows()
    if windows and journal.windows_file is not None:
        file = beside(output, "windows.jsonl")
        write_atomically(file, journal.windows_file.read_bytes())
        files.append(file)
    if kind == "none":
        return files
    from edgert.report.energy_plot import energy_points, plot_energy
    from edgert.report.latency_plot import plot_latency
    from edgert.report.power_trace import plot_power

    times_s = {
        entry.name: [s for kept in journal.parts.rounds for s in kept[entry.name]]
        for entry in profile.entries
    }
    title = f"{profile.family} on {profile.device}"
    plots = {"latency": plot_latency(times_s, title=title, kind=kind)}
    if energy_points(profile.entries):
        plots["energy"] = plot_energy(profile, kind=kind)
    if windows:
        board = next((e.energy.board for e in profile.entries if e.energy), profile.board)
        title = f"{profile.family} on {board}: windows that took turns"
        plots["power"] = plot_power(windows, title=title, trace=trace, kind=kind)
    for name, content in plots.items():
        write_atomically(file := beside(output, f"{name}.{kind}"), content)
        files.append(file)
    return files


def write_sustained_files(output: Path, played: SustainedRun, *, kind: Any) -> list[Path]:
    """Write a long play as JSON, as a table and as a plot; returns the files.

    Raises:
        MissingDependencyError: A plot is wanted and matplotlib is not installed.
    """
    files: dict[str, str | bytes] = {
        "sustained.json": msgspec.json.format(msgspec.json.encode(played), indent=2),
        "sustained.csv": csv_from_rows([msgspec.to_builtins(one) for one in played.bins]),
    }
    for name, content in files.items():
        write_atomically(beside(output, name), content)
    written = [beside(output, name) for name in files]
    if kind != "none":
        from edgert.report.sustained_plot import plot_sustained

        write_atomically(
            file := beside(output, f"sustained.{kind}"), plot_sustained(played, kind=kind)
        )
        written.append(file)
    return written
