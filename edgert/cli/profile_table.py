"""A profile, and a long play, as tables on a terminal."""

import math

from edgert.cli.output import print_table
from edgert.profiling.sustained import SustainedRun
from edgert.records import LatencyStatistics, Profile, ProfileEntry
from edgert.units import text_from_count, text_from_duration

# 95 % interval of a median: 1.57 times the spread of the middle half over the root of the runs
# (McGill, Tukey, Larsen, Variations of box plots, 1978).
_NOTCH = 1.57
_MOST_DIGITS = 4


def print_profile(profile: Profile) -> None:
    """Print a profile as a table, and say under it what its columns stand on.

    Measured, modelled and emulated figures never share a column.
    """
    dearest = profile.entries[0]
    rows = [_row(profile, dearest, entry) for entry in profile.entries]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print_table([{column: row.get(column, "") for column in columns} for row in rows])
    print(f"accuracy: {dearest.accuracy_from or 'not known'}")
    if profile.method:
        print(f"figures: {profile.method}")
    sources = {
        (e.energy_from, e.energy.board if e.energy else profile.board)
        for e in profile.entries
        if e.energy_from not in (None, "measured")
    }
    for provenance, board in sorted(sources):
        print(f"power and energy: {provenance} ({board}), not measured on a board")
    for line in energy_lines(profile):
        print(line)


def energy_lines(profile: Profile) -> list[str]:
    """What belongs to energies that were taken from samples: conditions, rejections, notes."""
    figures = [entry.energy for entry in profile.entries if entry.energy is not None]
    if not figures:
        return []
    first = figures[0]
    facts = [f"board {first.board}", f"source {first.source}"]
    facts += [f"power mode {first.power_mode}"] if first.power_mode else []
    facts += [f"rails {' + '.join(first.rails)}"] if first.rails else []
    facts += [f"sensor's own error {first.sensor_bound}"] if first.sensor_bound else []
    temps = [figure.temp_range_c for figure in figures if figure.temp_range_c is not None]
    if temps:
        low_c, high_c = min(low for low, _ in temps), max(high for _, high in temps)
        facts.append(f"{low_c:.0f} to {high_c:.0f} °C")
    lines = [f"energy: {', '.join(facts)}; ± is half of a 95 % interval"]
    # One list for all engines: every figure carries the whole measurement's.
    lines += [f"  rejected: {text}" for text in first.rejected]
    notes = dict.fromkeys(note for figure in figures for note in figure.notes)
    return lines + [f"  note: {note}" for note in notes]


def text_from_interval(value: float, interval: tuple[float, float], unit: str) -> str:
    """447.2, (435.1, 459.3), "mJ" becomes "447 ± 12 mJ": two digits of what is uncertain."""
    half = (interval[1] - interval[0]) / 2
    if not half > 0:
        return f"{value:.4g} {unit}"
    digits = min(_MOST_DIGITS, max(0, 1 - math.floor(math.log10(half))))
    return f"{value:.{digits}f} ± {half:.{digits}f} {unit}"


def text_from_latency(statistics: LatencyStatistics) -> str:
    """The median with its interval."""
    factor, unit = (1e6, "µs") if statistics.median_s < 1e-3 else (1e3, "ms")
    half = _NOTCH * statistics.iqr_s / math.sqrt(statistics.runs) * factor
    median = statistics.median_s * factor
    return text_from_interval(median, (median - half, median + half), unit)


def energy_cells(entry: ProfileEntry) -> dict[str, str]:
    """Power, energy and ratio of one engine; the provenance stands in the columns' names."""
    figure = entry.energy
    mark = f"({entry.energy_from})"
    cells: dict[str, str] = {}
    if figure is None:
        if entry.energy_j is not None and entry.power_w is not None:
            cells[f"power {mark}"] = f"{entry.power_w:.1f} W"
            cells[f"energy {mark}"] = f"{entry.energy_j * 1e3:.4g} mJ"
        return cells
    cells[f"power {mark}"] = f"{figure.power_w:.2f} W"
    cells[f"energy {mark}"] = _millijoules(figure.total_j, figure.total_interval_j)
    cells[f"above idle {mark}"] = _millijoules(figure.marginal_j, figure.marginal_interval_j)
    ratio = figure.baseline
    name = f"energy of {ratio.baseline}'s" if ratio else ""
    if ratio is not None:
        low, high = ratio.total_interval
        cells[f"{name} {mark}"] = text_from_interval(
            ratio.total * 100, (low * 100, high * 100), "%"
        )
    return cells


def _row(profile: Profile, dearest: ProfileEntry, entry: ProfileEntry) -> dict[str, str]:
    row = {"name": entry.name}
    if entry.macs is not None:
        row["MACs"] = text_from_count(entry.macs)
        for baseline, macs in profile.baselines_macs.items():
            row[f"of {baseline}"] = f"{entry.macs / macs:.1%}"
    if entry.latency is not None:
        row["latency"] = text_from_latency(entry.latency)
        row["p95"] = text_from_duration(entry.latency.p95_s)
    elif entry.latency_from != "measured":
        row[f"latency ({entry.latency_from})"] = text_from_duration(entry.latency_s)
    if entry.latency is not None or entry.latency_from != "measured":
        row[f"of {dearest.name}"] = f"{entry.latency_s / dearest.latency_s:.1%}"
    if any(each.accuracy is not None for each in profile.entries):
        row["accuracy"] = f"{entry.accuracy:.2%}" if entry.accuracy is not None else ""
    if entry.accuracy_interval is not None:
        low, high = entry.accuracy_interval
        row["95 %"] = f"{low * 100:.1f} to {high:.1%}"
    if entry.agreement is not None:
        row["agreement"] = f"{entry.agreement:.2%}"
    return row | energy_cells(entry)


def _millijoules(value_j: float, interval_j: tuple[float, float]) -> str:
    low_j, high_j = interval_j
    return text_from_interval(value_j * 1e3, (low_j * 1e3, high_j * 1e3), "mJ")


# ---------------------------------------------------------------- a long play


def print_sustained(played: SustainedRun) -> None:
    """Print a row for each bin, and what heat came to."""
    mark = f"({played.provenance})"
    print_table(
        [
            {
                "time": f"{one.from_s:.0f} to {one.to_s:.0f} s",
                f"latency ({played.latency_from})": text_from_duration(one.latency_median_s),
                "p95": text_from_duration(one.latency_p95_s),
                f"power {mark}": "" if one.power_w is None else f"{one.power_w:.2f} W",
                f"hottest {mark}": "" if one.temp_c is None else f"{one.temp_c:.1f} °C",
                f"clock {mark}": "" if one.clock_ratio is None else f"{one.clock_ratio:.0%}",
                "throttled": one.throttled,
            }
            for one in played.bins
        ],
        left=("time", "throttled"),
    )
    first, last = played.bins[0], played.bins[-1]
    print(
        f"latency at the end: {text_from_duration(last.latency_median_s)}, "
        f"{played.slowdown:.2f} times that at the start "
        f"({text_from_duration(first.latency_median_s)})"
    )
    print(_throttle_line(played))
    late = sum(one.late for one in played.bins)
    if late:
        print(f"late frames: {late} of {sum(one.inferences for one in played.bins)}")
    for reason, count in played.gaps.items():
        print(f"gaps: {count} reads without power: {reason}")


def _throttle_line(played: SustainedRun) -> str:
    if played.first_throttle_s is not None:
        reason = played.first_throttle_reason or "no reason given"
        return f"first throttled after {text_from_duration(played.first_throttle_s)}: {reason}"
    lasted = text_from_duration(played.bins[-1].to_s)
    return f"not throttled in {lasted}"
