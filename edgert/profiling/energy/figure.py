"""From the windows of a measurement to figures that carry all they depend on."""

from collections.abc import Sequence

from edgert.errors import TelemetryError
from edgert.profiling.energy.compare import compare_energy
from edgert.profiling.energy.conditions import joined
from edgert.profiling.energy.estimate import Mean, estimate_energy, mean_of
from edgert.profiling.energy.journal import Window
from edgert.profiling.energy.plan import Plan
from edgert.profiling.energy.sensing import Sensing
from edgert.records import EnergyFigure, EnergyRatio

_BETWEEN_SESSIONS_S = 60.0


def energy_figures(
    names: Sequence[str],
    windows: Sequence[Window],
    sensing: Sensing,
    plan: Plan,
) -> dict[str, EnergyFigure]:
    """A figure for each engine, the others compared with the first.

    Args:
        names: The engines, the baseline first.
        windows: All that were measured, rejected ones too, in the order of their measuring.
        sensing: Board and sensors.
        plan: What was asked for.

    Raises:
        TelemetryError: There is no idle window, or no window of an engine.
    """
    shifts_s = _shifts_s(windows)
    counted = [window for window in windows if not window.rejected]

    def means(chosen: Sequence[Window]) -> list[Mean]:
        return [mean_of(w.stretch(shifts_s[w.session]), sensing.bound) for w in chosen]

    idle_windows = [window for window in counted if window.kind == "idle"]
    of_engine = {
        name: sorted(
            (w for w in counted if w.kind == "load" and w.engine == name), key=lambda w: w.round
        )
        for name in names
    }
    for name, found in {"idle": idle_windows, **of_engine}.items():
        if not found:
            raise TelemetryError(
                f"energy of {', '.join(names)}",
                expected=f"at least one window of {name}",
                got="none that counts",
                advice="Measure again",
            )
    idle = means(idle_windows)
    by_name = {name: means(found) for name, found in of_engine.items()}
    rejected = [
        f"{w.engine + ' window ' + str(w.round + 1) if w.engine else 'idle'}: {w.rejected}"
        for w in windows
        if w.rejected
    ]
    figures = {}
    for name in names:
        base = names[0]
        ratio = None
        if name != base and len(by_name[name]) == len(by_name[base]):
            ratio = compare_energy(by_name[name], by_name[base], idle, sensing.bound, name=base)
        figures[name] = _figure(
            windows=of_engine[name],
            means=by_name[name],
            idle=idle,
            sensing=sensing,
            plan=plan,
            ratio=ratio,
            rejected=rejected,
        )
    return figures


def _figure(
    *,
    windows: Sequence[Window],
    means: Sequence[Mean],
    idle: Sequence[Mean],
    sensing: Sensing,
    plan: Plan,
    ratio: EnergyRatio | None,
    rejected: Sequence[str],
) -> EnergyFigure:
    estimate = estimate_energy(means, idle, sensing.bound)
    seen = joined([window.conditions for window in windows])
    duration_s = sum(mean.duration_s for mean in means)
    return EnergyFigure(
        total_j=estimate.total_j,
        total_interval_j=_around(estimate.total_j, estimate.total_half_j),
        marginal_j=estimate.marginal_j,
        marginal_interval_j=_around(estimate.marginal_j, estimate.marginal_half_j),
        power_w=estimate.power_w,
        idle_w=estimate.idle_w,
        provenance=seen.provenance,
        source=seen.source,
        board=sensing.board,
        power_mode=" to ".join(seen.power_modes),
        rails=sensing.rails,
        sensor_bound=sensing.bound.source,
        clocks_hz=seen.clocks_hz,
        temp_range_c=seen.temp_c,
        over_current_events={k: n for k, n in seen.over_current_events.items() if n},
        paced_hz=plan.paced_hz,
        windows=len(means),
        window_s=duration_s / len(means),
        inferences=estimate.inferences,
        samples=estimate.samples,
        interval_s=duration_s / estimate.samples,
        baseline=ratio,
        rejected=list(rejected),
        notes=list(dict.fromkeys(note for w in windows for note in w.notes)),
    )


def _around(middle: float, half: float) -> tuple[float, float]:
    return middle - half, middle + half


def _shifts_s(windows: Sequence[Window]) -> dict[int, float]:
    """What moves each session's clock so that one session follows the other.

    A machine that was started again counts from zero, and idle is looked for near in time.
    """
    shifts_s: dict[int, float] = {}
    end_s = 0.0
    for session in sorted({window.session for window in windows}):
        own = [window for window in windows if window.session == session]
        shifts_s[session] = end_s + _BETWEEN_SESSIONS_S - min(window.from_s for window in own)
        end_s = max(window.to_s for window in own) + shifts_s[session]
    return shifts_s
