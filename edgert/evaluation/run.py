"""One controller through one day, and the configurations that never change."""

import time

from edgert.control import CONTROLLERS, open_controller
from edgert.control.base import Policy
from edgert.errors import SettingsError
from edgert.evaluation.day import Day
from edgert.evaluation.outcome import Outcome, outcome_from_tally
from edgert.evaluation.plant import Plant
from edgert.evaluation.sensing import JTOP, Sensing
from edgert.evaluation.tally import Tally
from edgert.evaluation.variants import Variant, known_constants
from edgert.records import Decision, FrameOutcome, Limits, Profile, TelemetrySample

BEST_STATIC = "best-static"  # of all configurations, in hindsight


class Static:
    """One configuration for the whole day."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.limits = limits
        self._decision = Decision(configuration=name, reason=f"static: {name}")

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """The same decision every time."""
        return self._decision

    def observe(self, outcome: FrameOutcome) -> None:
        """Nothing to learn."""


def run_policy(
    day: Day, profile: Profile, policy: Policy, sensing: Sensing = JTOP
) -> tuple[Tally, list[float]]:
    """Drive a policy through a day.

    Returns:
        The books, and the wall time of each frame's `decide` and `observe` together (s).
    """
    plant, decide_s = Plant(day, profile, sensing), []
    stopwatch = time.perf_counter
    while plant.next_frame():
        if plant.limits is not policy.limits:
            policy.limits = plant.limits
        sample = plant.telemetry
        before_s = stopwatch()
        decision = policy.decide(plant.now_s, sample)
        spent_s = stopwatch() - before_s
        if decision.skip:
            plant.skip()
        else:
            outcome = plant.run(decision.configuration)
            before_s = stopwatch()
            policy.observe(outcome)
            spent_s += stopwatch() - before_s
        decide_s.append(spent_s)
    return plant.tally, decide_s


def check_controller(name: str) -> None:
    """Refuse a name that is neither a controller's nor BEST_STATIC.

    Raises:
        SettingsError: The message lists the names.
    """
    if name != BEST_STATIC and name not in CONTROLLERS:
        raise SettingsError(
            "choose a controller to evaluate",
            expected=f"one of {', '.join([*CONTROLLERS, BEST_STATIC])}",
            got=repr(name),
            advice="Name one of them",
        )


def drive(name: str, day: Day, profile: Profile, variant: Variant) -> Tally:
    """The books of a controller of that name on a day, for plots."""
    return _run(name, day, profile, variant)[0]


def evaluate(name: str, day: Day, profile: Profile, variant: Variant) -> Outcome:
    """Run a controller, or BEST_STATIC, through a day.

    Raises:
        SettingsError: No controller of that name.
    """
    if name == BEST_STATIC:
        return best_static(day, profile, variant)
    tally, decide_s = _run(name, day, profile, variant)
    return outcome_from_tally(day, tally, decide_s)


def best_static(day: Day, profile: Profile, variant: Variant) -> Outcome:
    """The static run with the highest score that keeps the day's limits.

    Where none keeps them, the one that takes the least energy. ALERT's OracleStatic (Wan et al.,
    ATC 2020), with limits on heat, power and energy added.
    """
    outcomes = [
        outcome_from_tally(
            day, *run_policy(day, profile, Static(entry.name, day.limits[0]), variant.sensing)
        )
        for entry in profile.entries
    ]
    kept = [outcome for outcome in outcomes if outcome.keeps_limits]
    if kept:
        return max(kept, key=lambda outcome: outcome.accuracy)
    return min(outcomes, key=lambda outcome: outcome.energy_j)


def _run(name: str, day: Day, profile: Profile, variant: Variant) -> tuple[Tally, list[float]]:
    policy = open_controller(name, profile, day.limits[0], known_constants(day, variant))
    return run_policy(day, profile, policy, variant.sensing)
