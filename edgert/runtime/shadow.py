"""Shadow runs: now and then the full configuration runs on a frame that another one has served.

How often both say the same is the live accuracy that can be had without labels. It costs time and
power, so a share of the frames bounds it, it comes behind the frame's own work and only where
there is room, and all that it takes is counted. What it shows is how an engine compares with the
full one, not with the truth: where the full one is wrong as well, nobody learns of it here.

What there is room for decides which frames are sampled: on a board that is short of time or power
these are the frames of its better moments.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgert.agreement import HALF_LIFE, AgreementEstimate
from edgert.clock import Clock
from edgert.errors import EdgertError
from edgert.records import Agreement, FrameLog, Profile, ShadowOutcome, ShadowStatus
from edgert.runtime.shadow_cost import FullRun, KnownFrom
from edgert.runtime.stages import Engines

logger = logging.getLogger(__name__)

MOST_SAVED = 2.0  # runs that may be owed; what had no room for longer is not made up for
_SMOOTHING = 0.2  # of the time from frame to frame
_PAUSE_S = 1.0  # a longer time between two frames was none of a video's


class ShadowRun(NamedTuple):
    """One shadow run.

    `logits` are a copy of the served frame's, since the pool's own hold until its next run only.
    """

    outcome: ShadowOutcome
    logits: NDArray[Any]


class ShadowRuns:
    """Decides when, runs, compares and counts. Used by the thread that runs frames.

    Of every `1 / share` served frames one is due, at a place drawn by chance, so that a video
    that repeats itself is not always seen at the same place. One that finds no room stays due
    until a frame has some; more than two are not saved up.

    Args:
        share: Of the served frames, at most.
        full: The configuration that others are held against.
        names: All configurations.
        task: What the logits are: classification has one label for a frame.
        profile: What the full configuration takes.
        clock: The run's time, on which frames arrive.
        idle_w: Of the board, where it was measured.
        half_life: After so many shadow runs of a configuration one weighs half.
        seed: Of the places.
        stopwatch: Measures the work, in seconds.

    Raises:
        ValueError: The share is none, or `full` is not among the names.
        KeyError: The profile has no `full`.
    """

    def __init__(
        self,
        share: float,
        *,
        full: str,
        names: Collection[str],
        task: Literal["segmentation", "classification"],
        profile: Profile,
        clock: Clock,
        idle_w: float | None = None,
        half_life: float = HALF_LIFE,
        seed: int = 0,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"a share of frames lies above 0 and up to 1, not at {share}")
        if full not in names:
            raise ValueError(f"{full!r} is not among {list(names)}")
        self.share, self.full = share, full
        self._idle_w = idle_w
        self.take_profile(profile)
        self._clock, self._stopwatch = clock, stopwatch
        self._chance = random.Random(seed)
        self._estimates = {
            name: AgreementEstimate(half_life=half_life, binary=task == "classification")
            for name in names
            if name != full
        }
        self._full_frames = 0
        self._owed, self._place = 0.0, self._chance.random()
        self._runs = self._failed = self._delayed = 0
        self._failure = ""
        self._refused: dict[str, int] = {}
        self._busy_s = self._delay_s = 0.0
        self._energy_j: float | None = None
        self._energy_from: KnownFrom = ""
        self._last_s: float | None = None  # when the last frame began
        self._period_s: float | None = None  # learned
        self._span_s = (math.inf, -math.inf)  # of the last run, on the clock

    def take_profile(self, profile: Profile) -> None:
        """Go on by other figures of the same engines; what was seen of them stays.

        Raises:
            KeyError: The profile has nothing of the full configuration.
        """
        self.cost = FullRun(profile, self.full, share=self.share, idle_w=self._idle_w)

    def after_frame(
        self,
        pool: Engines,
        tensor: NDArray[np.float32],
        logits: NDArray[Any],
        line: FrameLog,
        *,
        free_s: float,
        room: str,
        book: Callable[[str, float], float] | None = None,
    ) -> ShadowRun | None:
        """Run the full configuration on a frame that was served, if it is due and has room.

        Never raises what an engine does: a failed run is counted, logged and told in its outcome.
        The active configuration stays active.

        Args:
            pool: The engines.
            tensor: The model's input that was served.
            logits: What the active configuration made of it.
            line: The frame as it will be logged.
            free_s: Until the next frame is expected; infinite where none is.
            room: Why deadline, power or temperature leave none, in a few fixed words; see
                `room_for_shadow`.
            book: Takes a configuration and measured seconds, lets the board spend them, and says
                what they are on the board. None: this machine is the board.

        Returns:
            What came of it; None: nothing was run.
        """
        self._see_period(line)
        if line.skip:
            return None
        self._owed = min(self._owed + self.share, MOST_SAVED + self.share)
        if line.configuration == self.full:
            self._full_frames += 1
            return None
        estimate = self._estimates.get(line.configuration)
        if estimate is None or self._owed < 1 + self._place - 1e-9:
            return None
        if why := self._obstacle(pool, line, free_s, room):
            self._refused[why] = self._refused.get(why, 0) + 1
            return None
        self._owed -= 1
        self._place = self._chance.random()
        served = logits.copy()
        outcome = self._run(pool, tensor, served, line, book)
        if outcome.agreement is not None:
            estimate.add(outcome.agreement)
        return ShadowRun(outcome, served)

    def saw_frame(self, arrived_s: float) -> None:
        """Count a frame that came while the last shadow run went on, and what it waited for it.

        Args:
            arrived_s: When it came, on the clock; where frames are paced, when it was due.
        """
        began_s, ended_s = self._span_s
        if began_s <= arrived_s < ended_s:
            self._delayed += 1
            self._delay_s += ended_s - arrived_s

    def agreement(self, name: str) -> Agreement | None:
        """How often a configuration says what the full one says; None: nobody has looked."""
        if name == self.full and self._full_frames:  # by definition, on what it has served
            return Agreement(mean=1.0, low=1.0, high=1.0, frames=self._full_frames)
        estimate = self._estimates.get(name)
        return None if estimate is None else estimate.agreement()

    def agreements(self) -> dict[str, Agreement]:
        """Of every configuration that was looked at; the full one's is 1 by definition."""
        known = {name: self.agreement(name) for name in (self.full, *self._estimates)}
        return {name: agreement for name, agreement in known.items() if agreement is not None}

    def status(self) -> ShadowStatus:
        """What shadow runs took so far."""
        return ShadowStatus(
            runs=self._runs,
            refused=dict(self._refused),
            failed=self._failed,
            failure=self._failure,
            busy_s=self._busy_s,
            energy_j=self._energy_j,
            energy_from=self._energy_from,
            delayed_frames=self._delayed,
            delay_s=self._delay_s,
        )

    def _see_period(self, line: FrameLog) -> None:
        if line.now_s is None:
            return
        if self._last_s is not None and 0 < (past_s := line.now_s - self._last_s) < _PAUSE_S:
            before_s = past_s if self._period_s is None else self._period_s
            self._period_s = before_s + _SMOOTHING * (past_s - before_s)
        self._last_s = line.now_s

    def _obstacle(self, pool: Engines, line: FrameLog, free_s: float, room: str) -> str:
        if room:
            return room
        if free_s < self.cost.expected_s(line):
            return "no time"
        return "not loaded" if pool.absence(self.full) else ""

    def _run(
        self,
        pool: Engines,
        tensor: NDArray[np.float32],
        served: NDArray[Any],
        line: FrameLog,
        book: Callable[[str, float], float] | None,
    ) -> ShadowOutcome:
        began_s = self._clock.now_s()
        if line.now_s is not None and line.latency_s is not None:
            began_s = max(began_s, line.now_s + line.latency_s)  # a virtual clock stands still
        before_s = self._stopwatch()
        labels = served.argmax(axis=1)
        agreement, failure = None, ""
        try:
            agreement = _share_of_equal(labels, pool.run_beside(self.full, tensor))
        except (EdgertError, OSError, RuntimeError, ValueError) as error:  # else it is a bug
            failure = str(error) or type(error).__name__
        took_s = self._stopwatch() - before_s
        if book is not None:
            took_s = book(self.full, took_s)
        self._span_s = (began_s, max(began_s + took_s, self._clock.now_s()))
        self._count(line, took_s)
        if failure:
            self._failed += 1
            self._failure = failure
            logger.warning("shadow run of %s failed: %s", self.full, failure)
        else:
            self.cost.learn(line, took_s)
        return ShadowOutcome(latency_s=took_s, agreement=agreement, failure=failure)

    def _count(self, line: FrameLog, took_s: float) -> None:
        self._runs += 1
        self._busy_s += took_s
        energy_j = self.cost.energy_j(line, took_s, self._period_s)
        if energy_j is not None:
            self._energy_j = (self._energy_j or 0.0) + energy_j
            self._energy_from = self.cost.energy_from(line)


def _share_of_equal(labels: NDArray[Any], logits: NDArray[Any]) -> float:
    """Share of places whose best label is the same, at the logits' own size.

    Raises:
        ValueError: The shapes differ, or an output is no number anywhere.
    """
    others = logits.argmax(axis=1)
    if labels.shape != others.shape:
        raise ValueError(f"labels are {labels.shape}, the full configuration's {others.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("the full configuration's output is not finite")
    return float((labels == others).mean())
