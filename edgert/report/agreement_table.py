"""Agreement with the full configuration, as shadow runs of a run showed it: from its log alone."""

from collections.abc import Sequence

from edgert.agreement import AgreementEstimate
from edgert.records import Agreement, FrameLog, Profile
from edgert.report.html_page import safe
from edgert.units import text_from_duration

_UNKNOWN = "n/a"
_FOR_EVER = 1e9  # half-life, in samples: a report is of the whole run


def agreements_from_run(frames: Sequence[FrameLog]) -> dict[str, Agreement]:
    """Agreement of each configuration that shadow runs looked at, all of them weighing the same.

    Where every answer was wholly right or wholly wrong it is counted as one label a frame.
    """
    seen: dict[str, list[float]] = {}
    for frame in frames:
        if frame.shadow is not None and frame.shadow.agreement is not None:
            seen.setdefault(frame.configuration, []).append(frame.shadow.agreement)
    found = {}
    for name, shares in seen.items():
        binary = all(share in (0, 1) for share in shares)
        estimate = AgreementEstimate(half_life=_FOR_EVER, binary=binary)
        for share in shares:
            estimate.add(share)
        agreement = estimate.agreement()
        if agreement is not None:
            found[name] = agreement
    return found


def agreement_section(frames: Sequence[FrameLog], profile: Profile) -> str:
    """The section of the page; "" of a run without shadow runs."""
    outcomes = [frame.shadow for frame in frames if frame.shadow is not None]
    if not outcomes:
        return ""
    full = profile.entries[0].name
    found = agreements_from_run(frames)
    stored = {entry.name: entry.agreement for entry in profile.entries}
    lowest = min([a.low for a in found.values()] + [s for s in stored.values() if s is not None],
                 default=0.0)  # fmt: skip
    names = [entry.name for entry in profile.entries if entry.name in found]
    names += sorted(set(found) - set(names))
    rows = "".join(_row(name, found[name], stored.get(name), lowest) for name in names)
    columns = ["configuration", "live", "95 % interval", "frames", "in the profile", "", ""]
    head = "".join(f"<th>{safe(column)}</th>" for column in columns)
    table = (
        f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "</div>"
    )
    failed = sum(outcome.agreement is None for outcome in outcomes)
    served = sum(not frame.skip for frame in frames)
    busy_s = sum(outcome.latency_s for outcome in outcomes)
    caption = (
        f"Live: share of labels equal to those of {full}, which ran on {len(outcomes)} of "
        f"{served} served frames ({len(outcomes) / served:.1%}), {text_from_duration(busy_s)} in "
        f"all{f'; {failed} of these runs failed' if failed else ''}. Neighbouring frames are "
        "alike, and the interval allows for it. The bar is the interval, its notch the mean, the "
        "dark line the profile's figure. It says how often an engine differs from "
        f"{full}, not how often either is right."
    )
    return (
        f"<h2>Agreement with the full configuration</h2>{table if found else ''}"
        f"<p class=caption>{safe(caption)}</p>"
    )


def _row(name: str, live: Agreement, stored: float | None, lowest: float) -> str:
    cells = [
        name,
        f"{live.mean:.2%}",
        f"{live.low:.2%} to {live.high:.2%}",
        str(live.frames),
        _UNKNOWN if stored is None else f"{stored:.2%}",
    ]
    texts = "".join(f"<td>{safe(cell)}</td>" for cell in cells)
    return (
        f"<tr>{texts}<td>{_strip(live, stored, lowest)}</td>"
        f"<td class=words>{safe(_verdict(live, stored))}</td></tr>"
    )


def _verdict(live: Agreement, stored: float | None) -> str:
    if stored is None:
        return ""
    if live.low <= stored <= live.high:
        return "as in the profile, as far as can be told"
    return "lower than in the profile" if live.high < stored else "higher than in the profile"


def _strip(live: Agreement, stored: float | None, lowest: float) -> str:
    """Interval, mean and stored figure on a scale from the lowest of all to 1."""
    width, height, span = 160.0, 14.0, max(1 - lowest, 1e-6)

    def at(share: float) -> float:
        return (width - 4) * (share - lowest) / span + 2

    bar = max(at(live.high) - at(live.low), 2.0)
    marks = [
        f"<rect x='{at(live.low):.1f}' y='3' width='{bar:.1f}' height='8' rx='2' fill='#2e8b57' "
        "fill-opacity='.35'></rect>",
        f"<rect x='{at(live.mean) - 1:.1f}' y='1' width='2' height='12' fill='#2e8b57'></rect>",
    ]
    if stored is not None:
        marks.append(
            f"<rect x='{at(stored) - 1:.1f}' y='0' width='2' height='14' fill='currentColor'>"
            "</rect>"
        )
    return (
        f"<svg viewBox='0 0 {width:g} {height:g}' "
        f"style='width:{width:g}px;min-width:0;height:{height:g}px' role='img' "
        f"aria-label='{live.low:.1%} to {live.high:.1%}'>{''.join(marks)}</svg>"
    )
