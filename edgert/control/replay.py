"""A run's log fed to a controller once more: does it decide the same?

The log has what the controller was given before each frame and what it was told after. A
controller is nothing but its inputs, so the one that the log is of decides the same to the last
digit. Another one is fed what came of decisions that it did not take (open loop): what it would
have run next is worth a look, what would have come of it is not known.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from edgert.control import open_controller
from edgert.control.base import BelievingPolicy, LearningPolicy, PinnablePolicy, Policy
from edgert.records import (
    PICTURE,
    Decision,
    FrameLog,
    FrameOutcome,
    Record,
    RunHeader,
    TelemetrySample,
)

Value = str | float | bool | None

# What the frame loop adds to a decision's numbers.
_OF_THE_LOOP = ("preprocess_s", "switch_s")


# What is compared where the controller knew more than its log's header holds.
_COARSE = ("configuration", "skip")


class Difference(Record, frozen=True, kw_only=True):
    """One field of one decision that is another than the log has it."""

    frame: int
    field: str  # "configuration", "reason", "skip", or "numbers.<name>"
    logged: Value
    replayed: Value


class Replay(Record, frozen=True, kw_only=True):
    """What a controller decides on a log's inputs, one decision a frame, and what differs."""

    decisions: list[Decision]
    differences: list[Difference]

    @property
    def same(self) -> int:
        """How many decisions are as they were logged."""
        return len(self.decisions) - len({difference.frame for difference in self.differences})


def is_replayable(header: RunHeader, lines: Iterable[FrameLog]) -> bool:
    """Whether a log holds all that a controller was made from and given."""
    return header.profile is not None and all(line.now_s is not None for line in lines)


def controller_from_header(header: RunHeader, name: str | None = None) -> Policy:
    """A controller as it stood before the first frame of a run.

    Args:
        header: Of a log that `is_replayable`.
        name: Another controller than the run's, which starts without its state.

    Raises:
        SettingsError: There is no controller of that name.
        ArtifactError: The header's state is none of its profile's.
        ValueError: The header has no profile.
    """
    if header.profile is None:
        raise ValueError("a log without its profile can't be replayed")
    name = name or header.controller
    controller = open_controller(name, header.profile, header.limits, header.thermal)
    own = name == header.controller
    if own and header.state is not None and isinstance(controller, LearningPolicy):
        controller.restore(header.state)
    return controller


def replay_run(header: RunHeader, lines: Sequence[FrameLog], controller: Policy) -> Replay:
    """Feed a log's inputs to a controller.

    Args:
        header: Of the log.
        lines: Its frames, from the first on.
        controller: Fresh, with the log's limits.

    Raises:
        ValueError: A line does not say when its decision was taken.
    """
    decisions: list[Decision] = []
    differences: list[Difference] = []
    shown: set[str] = set()  # streams of which a frame ran already, without which none is skipped
    for line in lines:
        if line.now_s is None:
            raise ValueError("a log without the times of its decisions can't be replayed")
        if line.limits is not None:
            controller.limits = line.limits
        if line.pinned is not msgspec.UNSET and isinstance(controller, PinnablePolicy):
            controller.pin(line.pinned)
        if line.believed is not None and isinstance(controller, BelievingPolicy):
            controller.believe(line.believed)
        decision = controller.decide(line.now_s, _sample(header, line))
        decisions.append(decision)
        # A log that goes on from an earlier one may skip the first line of a stream.
        skip = decision.skip and (line.stream in shown or line.skip) and not line.lost
        found = _differences(line, decision, skip=skip)
        if header.goes_on:
            found = (each for each in found if each.field in _COARSE)
        differences += found
        if not line.skip:
            controller.observe(_outcome(line, controller.limits.deadline_s))
            if line.stream != PICTURE:
                shown.add(line.stream)
    return Replay(decisions=decisions, differences=differences)


def _sample(header: RunHeader, line: FrameLog) -> TelemetrySample | None:
    if line.sample_s is None:
        return None
    return TelemetrySample(
        time_s=line.sample_s,
        source=header.telemetry,
        provenance=header.provenance or "measured",  # no controller asks
        power_w=line.power_w,
        temp_c=line.temp_c,
        clock_ratio=line.clock_ratio,
        throttled=line.throttled,
        over_current_events=line.over_current_events,
    )


def _outcome(line: FrameLog, deadline_s: float | None) -> FrameOutcome:
    """What the controller was told: met by its own deadline, a turn's with several streams."""
    if line.latency_s is None:
        raise ValueError(f"frame {line.frame} ran and has no latency")
    return FrameOutcome(
        configuration=line.configuration,
        latency_s=line.latency_s,
        met_deadline=deadline_s is None or line.latency_s <= deadline_s,
        power_w=line.power_w,
        preprocess_s=line.numbers.get("preprocess_s", 0.0),
    )


def _differences(line: FrameLog, decision: Decision, *, skip: bool) -> Iterator[Difference]:
    """Field by field; a substitute's line has the reason for it behind the decision's own."""
    asked = line.asked or line.configuration
    reason = decision.reason
    if line.asked and line.reason.startswith(f"{reason}; asked for {line.asked}, "):
        reason = line.reason
    pairs: list[tuple[str, Value, Value]] = [
        ("configuration", asked, decision.configuration),
        ("skip", line.skip and not line.lost, skip),
        ("reason", line.reason, reason),
    ]
    logged = {name: value for name, value in line.numbers.items() if name not in _OF_THE_LOOP}
    # JSON can't hold what is infinite or no number; a log leaves it out.
    replayed = {name: value for name, value in decision.numbers.items() if math.isfinite(value)}
    names = sorted({*logged, *replayed} - {*_OF_THE_LOOP})
    pairs += [(f"numbers.{name}", logged.get(name), replayed.get(name)) for name in names]
    for field, before, after in pairs:
        if before != after:
            yield Difference(frame=line.frame, field=field, logged=before, replayed=after)
