"""What a trace says, made to happen while the loop runs: around an emulated board, and to limits.

What does not come from a trace (heat, throttling, noise of sensors) is the board's own.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from edgert.artifacts.trace import AmbientCourse
from edgert.errors import UsageError
from edgert.records import Limits, TelemetrySample, TracePoint
from edgert.runtime.stages import Board

_AROUND = ("ambient_c", "fan_running", "slowdown", "telemetry", "over_current_events")


class Surroundings(Board, Protocol):
    """An emulated board whose air and fan can be changed."""

    ambient_c: float
    fan_running: bool


class TracedBoard:
    """An emulated board in the hands of `Circumstances`; all else goes to the board itself.

    Args:
        board: The board.
    """

    def __init__(self, board: Surroundings) -> None:
        self.name = board.name
        self.contention = 1.0  # engines take so many times as long as on a quiet board
        self.sensors_answer = True
        self._board = board
        self._events: dict[str, int] = {}

    @property
    def slowdown(self) -> float:
        """See stages.Board; contention included."""
        return self._board.slowdown * self.contention

    @property
    def energy_j(self) -> float:
        """See stages.Board."""
        return self._board.energy_j

    def run_engine(self, name: str, busy_s: float) -> None:
        """See stages.Board."""
        self._board.run_engine(name, busy_s)

    def surround(self, *, ambient_c: float | None, fan_running: bool | None) -> None:
        """Set the air and the fan from now on; None leaves them."""
        if ambient_c is not None:
            self._board.ambient_c = ambient_c
        if fan_running is not None:
            self._board.fan_running = fan_running

    def count_events(self, events: dict[str, int]) -> None:
        """Over-current events that happen now, by cause."""
        for cause, count in events.items():
            self._events[cause] = self._events.get(cause, 0) + count

    def read(self) -> TelemetrySample | None:
        """What the sensors see; None while they give nothing. The board lives on either way."""
        sample = self._board.read()
        if sample is None or not self.sensors_answer:
            return None
        if not self._events:
            return sample
        counters = dict(sample.over_current_events)
        for cause, count in self._events.items():
            counters[cause] = counters.get(cause, 0) + count
        return msgspec.structs.replace(sample, over_current_events=counters)

    def close(self) -> None:
        """See stages.Board."""
        self._board.close()


class Circumstances:
    """A trace, lived through frame by frame.

    Ambient is interpolated linearly between the points that state one; everything else steps.
    Before the first point that states something, all is as the board and the operator have it.

    Args:
        points: The trace; its time 0 is the first frame. Times never decrease.
        board: The emulated board it happens to; None where it is about limits alone.

    Raises:
        UsageError: The trace is about a board, and there is no emulated one.
    """

    def __init__(self, points: Sequence[TracePoint], board: TracedBoard | None) -> None:
        if board is None:
            _refuse_surroundings(points)
        self._points, self._board = tuple(points), board
        self._next = 0
        self._ambient = AmbientCourse(points)
        self._steps: dict[str, float] = {}  # limits that the trace has stated so far

    def advance(self, time_s: float, limits: Limits) -> Limits:
        """Let everything up to a time happen.

        Args:
            time_s: Since the first frame, never less than at the call before.
            limits: What the operator asks for.

        Returns:
            These limits, with the trace's in the place of what it has stated.
        """
        while self._next < len(self._points) and self._points[self._next].time_s <= time_s:
            self._pass(self._points[self._next])
            self._next += 1
        if self._board is not None:
            self._board.surround(ambient_c=self._ambient.at(time_s), fan_running=None)
        return msgspec.structs.replace(limits, **self._steps) if self._steps else limits

    def _pass(self, point: TracePoint) -> None:
        stated = {
            "power_w": point.power_limit_w,
            "temp_c": point.temp_limit_c,
            "deadline_s": point.deadline_s,
        }
        self._steps.update({name: value for name, value in stated.items() if value is not None})
        if (board := self._board) is None:
            return
        board.surround(ambient_c=None, fan_running=point.fan_running)
        board.count_events(point.over_current_events)
        if point.slowdown is not None:
            board.contention = point.slowdown
        if point.telemetry is not None:
            board.sensors_answer = point.telemetry


def _refuse_surroundings(points: Sequence[TracePoint]) -> None:
    for point in points:
        stated = [name for name in _AROUND if getattr(point, name) not in (None, {})]
        if stated:
            raise UsageError(
                f"follow a trace's {stated[0]}",
                expected="an emulated board",
                got="none",
                advice="Add --board NAME, or leave all but the limits out of the trace",
            )
