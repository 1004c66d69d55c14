"""A run as one HTML file: what it came to, four plots over time, the profile, the switches.

Self-contained: plots are inline SVG, nothing is fetched. Figures that an emulated board made up
say so in the table, on the axes and in the headline.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edgert.artifacts import write_atomically
from edgert.records import FrameLog, Profile, ProfileEntry, RunHeader
from edgert.report.agreement_table import agreement_section
from edgert.report.html_page import limit_texts, page, safe
from edgert.report.plots import mark_of, svg_from_run
from edgert.report.run_figures import limits_of_frames, seconds_over
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
        agreement_section(frames, profile),
        _profile_table(profile),
        _switches(frames),
    ]
    write_atomically(path, page("edgert report", sections))


def _heading(header: RunHeader) -> str:
    facts = [
        ("family", header.family),
        ("source", header.source if "://" in header.source else Path(header.source).name),
        ("device", header.device),
        ("board", f"{header.board} ({header.provenance})" if header.board else "none"),
        ("controller", header.controller),
        *limit_texts(header.limits),
    ]
    items = "".join(f"<dt>{safe(k)}</dt><dd>{safe(v)}</dd>" for k, v in facts)
    note = ""
    if header.provenance == "emulated":
        note = (
            "<p class=note>Power, temperature and energy on this page are <b>emulated</b>: an "
            "emulated board made them up from the engines' work. Latencies were measured on the "
            "device named above, and lengthened where the emulated board throttled.</p>"
        )
    return f"<h1>edgert: {safe(header.family)}</h1><dl class=facts>{items}</dl>{note}"


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
    limits = limits_of_frames(header, frames)
    judged_by: tuple[tuple[Literal["temp_c", "power_w"], str], ...] = (
        ("temp_c", "temperature limit"),
        ("power_w", "power budget"),
    )
    for field, name in judged_by:
        if any(getattr(held, field) is not None for held in limits):
            over_s = seconds_over(frames, limits, field)
            tiles.append((f"over the {name}{mark_of(header)}", text_from_duration(over_s)))
    cells = "".join(f"<div><b>{safe(v)}</b><span>{safe(k)}</span></div>" for k, v in tiles)
    return f"<div class=tiles>{cells}</div>"


def _shares(frames: Sequence[FrameLog], profile: Profile) -> str:
    """How much of the run each configuration ran, as one bar with its parts named."""
    ran = Counter(frame.configuration for frame in frames if not frame.skip)
    total = sum(ran.values())
    if not total:
        return ""
    known = [entry.name for entry in profile.entries if entry.name in ran]
    names = known + sorted(set(ran) - set(known))
    parts = "".join(
        f"<span style='flex-grow:{ran[name]}' title='{safe(name)}: {ran[name]} frames'>"
        f"{safe(name)} {ran[name] / total:.0%}</span>"
        for name in names
    )
    return f"<div class=shares>{parts}</div>"


def _profile_table(profile: Profile) -> str:
    dearest = profile.entries[0]
    source = dearest.energy_from or ""
    columns = ["configuration", "MACs"]
    columns += [f"saved against {name}" for name in profile.baselines_macs]
    modelled = "" if dearest.latency_from == "measured" else f" ({dearest.latency_from})"
    columns += [
        f"latency{modelled or ', median'}",
        "p95",
        f"of {dearest.name}",
        "accuracy",
        "agreement",
    ]
    columns += [f"power ({source})", f"energy ({source})"] if source else []
    head = "".join(f"<th>{safe(column)}</th>" for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{safe(cell)}</td>" for cell in _cells(profile, entry)) + "</tr>"
        for entry in profile.entries
    )
    caption = f"Accuracy: {dearest.accuracy_from or 'not known'}. "
    caption += f"Agreement: share of labels equal to those of {dearest.name}. "
    caption += f"Latency: {dearest.latency_from} on {profile.device}"
    if dearest.latency is not None:
        caption += f", {dearest.latency.runs} runs each after warm-up, engines taking turns"
    if profile.method:
        caption += f". {profile.method}"
    return (
        f"<h2>Profile</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p class=caption>{safe(caption)}.</p>"
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
        f"<td>{safe(frame.configuration)}</td><td class=words>{safe(frame.reason)}</td></tr>"
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
