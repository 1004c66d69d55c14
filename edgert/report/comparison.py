"""Runs side by side as one HTML file: a table, the curves, what is not the same about them."""

from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import write_atomically
from edgert.records import Limits, RunHeader, TracePoint
from edgert.report.comparison_plot import Run, color_of, comparison_plot
from edgert.report.html_page import limit_texts, page, safe, table
from edgert.report.run_figures import RunFigures, figures_from_run
from edgert.units import text_from_duration

# Of two headers; what differs here makes runs hard to compare.
_CONDITIONS = ("family", "source", "device", "board", "limits", "trace", "provenance")
_NONE = "n/a"
_SAME_SPEED_RATIO = 1.15


def write_comparison(path: Path, runs: Sequence[Run], *, trace: Sequence[TracePoint] = ()) -> None:
    """Write a page that sets runs side by side.

    Args:
        path: The .html file; it is there whole or not at all.
        runs: Header and frames of each, with profile and at least one frame.
        trace: What happened around the board in all of them.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ArtifactError: The file can't be written.
    """
    headers = [header for header, _ in runs]
    figures = [figures_from_run(*run) for run in runs]
    picture = comparison_plot(runs, trace=trace, kind="svg").decode()
    rows = comparison_rows(figures)
    sections = [
        _heading(headers),
        "".join(f"<p class=note>{safe(line)}.</p>" for line in unlike(headers, figures)),
        table(list(rows[0]), [list(row.values()) for row in rows]),
        _caption(headers),
        f"<figure>{picture}</figure>",
        *(_shares(place, run) for place, run in enumerate(figures)),
    ]
    write_atomically(path, page("edgert comparison", sections))


def comparison_rows(figures: Sequence[RunFigures]) -> list[dict[str, str]]:
    """One row of texts for each run, the columns the same for all."""
    mark = f" ({figures[0].provenance})" if figures[0].provenance else ""
    return [
        {
            "controller": run.controller,
            "frames": str(run.frames),
            "accuracy": _NONE if run.accuracy is None else f"{run.accuracy:.2%}",
            "late": str(run.late),
            "skipped": str(run.skipped),
            "engines' times": _NONE if run.slowdown is None else f"{run.slowdown:.2f}",
            f"over the limit{mark}": text_from_duration(run.over_temp_s),
            f"over the budget{mark}": text_from_duration(run.over_power_s),
            f"hottest{mark}": _NONE if run.temp_max_c is None else f"{run.temp_max_c:.1f} °C",
            "switches": str(run.switches),
            f"energy{mark}": _NONE if run.energy_j is None else f"{run.energy_j:.0f} J",
            f"a frame{mark}": _NONE if run.frame_j is None else f"{run.frame_j:.2f} J",
        }
        for run in figures
    ]


def unlike(headers: Sequence[RunHeader], figures: Sequence[RunFigures]) -> list[str]:
    """What is not the same of all runs, in words; empty where they can be compared.

    That a machine was faster in one run than in another counts too: times are measured.
    """
    lines = []
    for field in _CONDITIONS:
        values = [getattr(header, field) for header in headers]
        if any(value != values[0] for value in values):
            told = "; ".join(
                f"{header.controller} {_words(value)}"
                for header, value in zip(headers, values, strict=True)
            )
            lines.append(f"Not the same {field}: {told}")
    known = [run.slowdown for run in figures if run.slowdown is not None]
    if known and max(known) > _SAME_SPEED_RATIO * min(known):
        told = "; ".join(f"{r.controller} {r.slowdown:.2f}" for r in figures if r.slowdown)
        lines.append(
            f"The machine was not equally fast, engines' times over the profile's: {told}"
        )
    return lines


def _words(value: object) -> str:
    if isinstance(value, Limits):
        return ", ".join(f"{name} {text}" for name, text in limit_texts(value)) or "none"
    return str(value) or "none"


def _heading(headers: Sequence[RunHeader]) -> str:
    header = headers[0]
    note = ""
    if header.provenance == "emulated":
        note = (
            "<p class=note>Power, temperature and energy on this page are <b>emulated</b>: an "
            "emulated board made them up from the engines' work. Latencies are those of the "
            "device named above, as the emulated board would have them.</p>"
        )
    facts = [
        ("family", header.family),
        ("source", header.source if "://" in header.source else Path(header.source).name),
        ("device", header.device),
        ("board", header.board or "none"),
        ("limits at the start", _words(header.limits)),
        ("trace", Path(header.trace).name if header.trace else "none"),
        ("thermal constants", Path(header.thermal_from).name if header.thermal_from else "none"),
    ]
    items = "".join(f"<dt>{safe(name)}</dt><dd>{safe(text)}</dd>" for name, text in facts)
    return f"<h1>edgert: runs side by side</h1><dl class=facts>{items}</dl>{note}"


def _caption(headers: Sequence[RunHeader]) -> str:
    sources = {e.accuracy_from for h in headers if h.profile for e in h.profile.entries}
    accuracy = "; ".join(sorted(filter(None, sources))) or "not stated"
    return (
        "<p class=caption>Accuracy: mean over all frames of what ran, by the profile "
        f"({safe(accuracy)}); late and skipped frames count zero. Time over a limit: between "
        "readings above it, by the limit of that moment. Engines' times: median, over the "
        "profile's; they are measured anew in each run.</p>"
    )


def _shares(place: int, run: RunFigures) -> str:
    """How much of a run each configuration ran, as one bar in the run's colour."""
    color = color_of(place)
    parts = "".join(
        f"<span style='flex-grow:{share:.4f};background:{color}33' title='{safe(name)}'>"
        f"{safe(name)} {share:.0%}</span>"
        for name, share in sorted(run.shares.items(), key=lambda item: -item[1])
    )
    name = f"<b style='color:{color}'>{safe(run.controller)}</b>"
    return f"<p class=caption>{name}</p><div class=shares>{parts}</div>"
