"""A run as one HTML file: what it came to, four plots over time, the profile, the switches.

Self-contained: plots are inline SVG, nothing is fetched. Figures that an emulated board made up
say so in the table, on the axes and in the headline.
"""

import html
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import write_atomically
from edgert.records import FrameLog, Profile, ProfileEntry, RunHeader
from edgert.report.plots import mark_of, svg_from_run
from edgert.units import text_from_count, text_from_duration

_UNKNOWN = "n/a"
_LISTED_SWITCHES = 200


def write_report(
    path: Path, header: RunHeader, frames: Sequence[FrameLog], profile: Profile
) -> None:
    """Write the report of a run.

    Args:
        path: The .html file; it is there whole or not at all.
        header: The run's header.
        frames: Its frames, in order; may be empty.
        profile: The profile that the controller worked with.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ArtifactError: The file can't be written.
    """
    sections = [
        _heading(header),
        _summary(header, frames, profile),
        _shares(frames, profile),
        f"<figure>{svg_from_run(header, frames, profile)}</figure>" if frames else "",
        _profile_table(profile),
        _switches(frames),
    ]
    write_atomically(path, _PAGE.replace("{body}", "\n".join(filter(None, sections))))


def _heading(header: RunHeader) -> str:
    limits = header.limits
    wanted = [
        ("deadline", _duration(limits.deadline_s)),
        ("period", _duration(limits.period_s)),
        ("power budget", "" if limits.power_w is None else f"{limits.power_w:g} W"),
        ("temperature limit", "" if limits.temp_c is None else f"{limits.temp_c:g} °C"),
        ("energy budget", "" if limits.energy_j is None else f"{limits.energy_j:g} J"),
    ]
    facts = [
        ("family", header.family),
        ("source", header.source if "://" in header.source else Path(header.source).name),
        ("device", header.device),
        ("board", f"{header.board} ({header.provenance})" if header.board else "none"),
        ("controller", header.controller),
        *[(name, text) for name, text in wanted if text],
    ]
    items = "".join(f"<dt>{_safe(k)}</dt><dd>{_safe(v)}</dd>" for k, v in facts)
    note = ""
    if header.provenance == "emulated":
        note = (
            "<p class=note>Power, temperature and energy on this page are <b>emulated</b>: an "
            "emulated board made them up from the engines' work. Latencies were measured on the "
            "device named above, and lengthened where the emulated board throttled.</p>"
        )
    return f"<h1>edgert: {_safe(header.family)}</h1><dl class=facts>{items}</dl>{note}"


def _summary(header: RunHeader, frames: Sequence[FrameLog], profile: Profile) -> str:
    if not frames:
        return "<p>No frame was run.</p>"
    judged = [frame.met_deadline for frame in frames if frame.met_deadline is not None]
    late = judged.count(False)
    ran = Counter(frame.configuration for frame in frames if not frame.skip)
    accuracies = {entry.name: entry.accuracy for entry in profile.entries}
    known = [(count, accuracies.get(name)) for name, count in ran.items()]
    total = sum(count for count, accuracy in known if accuracy is not None)
    mean = sum(count * accuracy for count, accuracy in known if accuracy is not None)
    tiles = [
        ("frames", str(len(frames))),
        ("late", f"{late} ({late / len(frames):.1%})" if judged else _UNKNOWN),
        ("skipped", str(sum(frame.skip for frame in frames))),
        ("switches", str(sum(frame.switched for frame in frames))),
        ("time", text_from_duration(frames[-1].time_s + (frames[-1].latency_s or 0.0))),
    ]
    if total:
        tiles.append(("mean accuracy of what ran", f"{mean / total:.2%}"))
    temps = [frame.temp_c for frame in frames if frame.temp_c is not None]
    if temps:
        tiles.append((f"hottest{mark_of(header)}", f"{max(temps):.1f} °C"))
    for field, name, limit in (
        ("temp_c", "temperature limit", header.limits.temp_c),
        ("power_w", "power budget", header.limits.power_w),
    ):
        if limit is not None:
            over_s = _seconds_over(frames, field, limit)
            tiles.append((f"over the {name}{mark_of(header)}", text_from_duration(over_s)))
    cells = "".join(f"<div><b>{_safe(v)}</b><span>{_safe(k)}</span></div>" for k, v in tiles)
    return f"<div class=tiles>{cells}</div>"


def _seconds_over(frames: Sequence[FrameLog], field: str, limit: float) -> float:
    over = 0.0
    for frame, following in itertools.pairwise(frames):
        reading = getattr(frame, field)
        if reading is not None and reading > limit:
            over += following.time_s - frame.time_s
    return over


def _shares(frames: Sequence[FrameLog], profile: Profile) -> str:
    """How much of the run each configuration ran, as one bar with its parts named."""
    ran = Counter(frame.configuration for frame in frames if not frame.skip)
    total = sum(ran.values())
    if not total:
        return ""
    known = [entry.name for entry in profile.entries if entry.name in ran]
    names = known + sorted(set(ran) - set(known))
    parts = "".join(
        f"<span style='flex-grow:{ran[name]}' title='{_safe(name)}: {ran[name]} frames'>"
        f"{_safe(name)} {ran[name] / total:.0%}</span>"
        for name in names
    )
    return f"<div class=shares>{parts}</div>"


def _profile_table(profile: Profile) -> str:
    dearest = profile.entries[0]
    source = dearest.energy_from or ""
    columns = ["configuration", "MACs"]
    columns += [f"saved against {name}" for name in profile.baselines_macs]
    columns += ["latency, median", "p95", f"of {dearest.name}", "accuracy", "agreement"]
    columns += [f"power ({source})", f"energy ({source})"] if source else []
    head = "".join(f"<th>{_safe(column)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in _cells(profile, entry)) + "</tr>"
        for entry in profile.entries
    )
    caption = f"Accuracy: {dearest.accuracy_from or 'not known'}. "
    caption += f"Agreement: share of labels equal to those of {dearest.name}. "
    caption += f"Latency: measured on {profile.device}"
    if dearest.latency is not None:
        caption += f", {dearest.latency.runs} runs each after warm-up, engines taking turns"
    return (
        f"<h2>Profile</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p class=caption>{_safe(caption)}.</p>"
    )


def _cells(profile: Profile, entry: ProfileEntry) -> list[str]:
    dearest = profile.entries[0]
    macs = entry.macs
    cells = [entry.name, text_from_count(macs) if macs is not None else _UNKNOWN]
    baselines = profile.baselines_macs.values()
    cells += [_UNKNOWN if macs is None else f"{1 - macs / baseline:.1%}" for baseline in baselines]
    cells.append(_duration(entry.latency_s))
    cells.append(_duration(entry.latency.p95_s) if entry.latency else _UNKNOWN)
    cells.append(f"{entry.latency_s / dearest.latency_s:.0%}")
    cells.append(f"{entry.accuracy:.2%}" if entry.accuracy is not None else _UNKNOWN)
    cells.append(f"{entry.agreement:.2%}" if entry.agreement is not None else _UNKNOWN)
    if dearest.energy_from:
        cells.append(_UNKNOWN if entry.power_w is None else f"{entry.power_w:.1f} W")
        cells.append(_UNKNOWN if entry.energy_j is None else f"{entry.energy_j * 1e3:.0f} mJ")
    return cells


def _switches(frames: Sequence[FrameLog]) -> str:
    switched = [frame for frame in frames if frame.switched]
    if not switched:
        return ""
    rows = "".join(
        f"<tr><td>{frame.time_s:.1f} s</td><td>{frame.frame}</td>"
        f"<td>{_safe(frame.configuration)}</td><td class=words>{_safe(frame.reason)}</td></tr>"
        for frame in switched[:_LISTED_SWITCHES]
    )
    more = len(switched) - _LISTED_SWITCHES
    note = f"<p class=caption>and {more} more in decisions.jsonl</p>" if more > 0 else ""
    return (
        "<h2>Switches</h2><div class=scroll><table><thead><tr><th>time</th><th>frame</th>"
        f"<th>to</th><th class=words>why</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _duration(duration_s: float | None) -> str:
    return text_from_duration(duration_s) if duration_s else ""


def _safe(text: str) -> str:
    return html.escape(str(text))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>edgert report</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1020px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .4em } h2 { font-size: 1.15em; margin: 1.6em 0 .4em }
dl.facts { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .1em 1em }
dt { opacity: .65 } dd { margin: 0 } figure { margin: 1em 0; overflow-x: auto }
svg { width: 100%; min-width: 640px; height: auto }
.note { background: var(--soft); border-left: 4px solid #c8402f; padding: .6em 1em }
.tiles { display: flex; flex-wrap: wrap; gap: .6em; margin: 1.2em 0 }
.tiles div { background: var(--soft); border-radius: 6px; padding: .5em .9em; min-width: 6em }
.tiles b { display: block; font-size: 1.25em } .tiles span { opacity: .7; font-size: .85em }
.shares { display: flex; gap: 2px; font-size: .85em; overflow: hidden }
.shares span { background: #2e8b5733; padding: .25em .4em; flex-basis: 0; overflow: hidden;
  white-space: nowrap; text-overflow: ellipsis }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .92em; font-variant-numeric: tabular-nums }
th, td { padding: .25em .55em; border-bottom: 1px solid var(--line); text-align: right }
th { font-weight: 600; vertical-align: bottom } th:first-child, td:first-child { text-align: left }
td { white-space: nowrap } td.words { white-space: normal }
.words { text-align: left } .caption { opacity: .7; font-size: .9em }
@media (max-width: 640px) { dl.facts { grid-template-columns: max-content 1fr } }
@media print { body { margin: 0; max-width: none } .scroll { overflow: visible } }
</style></head><body>
{body}
</body></html>
"""
