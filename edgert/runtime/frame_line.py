"""One frame as decisions.jsonl keeps it: what the controller was given, decided, and what came."""

import math

import msgspec

from edgert.records import Decision, FrameLog, FrameOutcome, Limits, TelemetrySample


def line_from_frame(
    index: int,
    *,
    now_s: float,
    begin_s: float,
    decision: Decision,
    asked: str,
    previous: str,
    sample: TelemetrySample | None,
    limits: Limits,
    changed: bool,
    outcome: FrameOutcome | None = None,
    switch_s: float | None = None,
    deadline_s: float | None = None,
    stream: str = "",
    lost: str = "",
) -> FrameLog:
    """The line of one frame.

    Args:
        index: The frame's number in the source.
        now_s: When it began, as the controller was told.
        begin_s: When the run began, on the same clock.
        decision: What was decided, as it was carried out.
        asked: What was decided on; another configuration may run in its place.
        previous: The configuration that ran before; "" before the first.
        sample: The telemetry that the controller was given.
        limits: Those of the moment.
        changed: Whether they are others than before.
        outcome: What came of it; None: the frame was skipped, or lost.
        switch_s: What making another configuration active took; None without.
        deadline_s: What the frame is judged by, where it isn't the limits' own deadline.
        stream: Whose frame it is.
        lost: Why nothing came of it, in words, where that was not decided.
    """
    name = decision.configuration
    numbers = {key: value for key, value in decision.numbers.items() if math.isfinite(value)}
    if outcome is not None:
        numbers["preprocess_s"] = outcome.preprocess_s
    if switch_s is not None:
        numbers["switch_s"] = switch_s
    line = FrameLog(
        frame=index,
        time_s=now_s - begin_s,
        now_s=now_s,
        configuration=name,
        asked="" if asked == name else asked,
        reason=decision.reason,
        skip=outcome is None,
        # What the first frame runs is a choice, not a switch.
        switched=outcome is not None and previous not in ("", name),
        latency_s=None if outcome is None else outcome.latency_s,
        met_deadline=_met(outcome, limits, deadline_s),
        limits=limits if changed else None,
        stream=stream,
        lost=lost,
        numbers=numbers,
    )
    return line if sample is None else _with_telemetry(line, sample)


def finite(sample: TelemetrySample) -> TelemetrySample:
    """The sample without figures that are none: what could not be read is absent."""
    figures = {name: getattr(sample, name) for name in ("power_w", "temp_c", "clock_ratio")}
    lost = {
        name: None
        for name, value in figures.items()
        if value is not None and not math.isfinite(value)
    }
    return msgspec.structs.replace(sample, **lost) if lost else sample


def _met(outcome: FrameOutcome | None, limits: Limits, deadline_s: float | None) -> bool | None:
    if outcome is None:
        return None
    if deadline_s is not None:
        return outcome.latency_s <= deadline_s
    return None if limits.deadline_s is None else outcome.met_deadline


def _with_telemetry(line: FrameLog, sample: TelemetrySample) -> FrameLog:
    return msgspec.structs.replace(
        line,
        sample_s=sample.time_s,
        power_w=sample.power_w,
        temp_c=sample.temp_c,
        throttled=sample.throttled,
        clock_ratio=sample.clock_ratio,
        over_current_events=sample.over_current_events,
    )
