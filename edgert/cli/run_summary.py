"""What `edgert run` prints of a run."""

from collections.abc import Mapping
from typing import Any

from edgert.records import Agreement, RunHeader, ShadowStatus
from edgert.units import text_from_duration


def print_summary(summary: Any, header: RunHeader) -> None:
    """Print a run's figures; what is wrong with its profile comes last."""
    print(
        f"{summary.frames} frames in {text_from_duration(summary.duration_s)}: "
        f"{summary.misses} late, {summary.skipped} skipped, {summary.dropped} dropped, "
        f"{summary.switches} switches" + (" (stopped)" if summary.stopped else "")
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in summary.shares.items())
    print(f"  ran           {shares}")
    if summary.latency_median_s is not None and summary.latency_p95_s is not None:
        print(
            f"  latency       {text_from_duration(summary.latency_median_s)} median, "
            f"{text_from_duration(summary.latency_p95_s)} p95"
        )
    if summary.substitutes:
        print(
            f"  substitutes   {summary.substitutes} frames ran another configuration, as the one "
            "decided on was not loaded"
        )
    if summary.switch_max_s is not None:
        print(f"  switching     {text_from_duration(summary.switch_max_s)} at most")
    if summary.temp_max_c is not None:
        print(
            f"  temperature   {summary.temp_max_c:.1f} °C at most, "
            f"{text_from_duration(summary.over_temp_s)} over the limit, "
            f"{text_from_duration(summary.throttled_s)} throttled ({summary.energy_from})"
        )
    if summary.energy_j is not None:
        print(
            f"  energy        {summary.energy_j:.1f} J, "
            f"{summary.energy_j / max(summary.frames, 1):.2f} J a frame ({summary.energy_from})"
        )
    if summary.shadow is not None:
        _print_shadow(summary.shadow, summary.agreements)
    if summary.damage:
        print(f"  source        {summary.damage}")
    if header.stale:
        print(f"  profile       stale: {'; '.join(header.stale)}")


def _print_shadow(status: ShadowStatus, agreements: Mapping[str, Agreement]) -> None:
    """What shadow runs took and showed; the full configuration's own agreement is no news."""
    energy = "" if status.energy_j is None else f", {status.energy_j:.1f} J ({status.energy_from})"
    failed = f", {status.failed} failed: {status.failure}" if status.failed else ""
    print(
        f"  shadow runs   {status.runs} in {text_from_duration(status.busy_s)}{energy}, "
        f"{status.delayed_frames} frames delayed{failed}"
    )
    for why, count in status.refused.items():
        print(f"                {why}: {count} times")
    for name, one in agreements.items():
        if one.low < 1 or one.high < 1:
            print(
                f"  agreement     {name} {one.mean:.1%} ({one.low:.1%} to {one.high:.1%}, "
                f"{one.frames} frames)"
            )
