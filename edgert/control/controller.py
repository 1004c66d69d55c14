"""The predictive controller: the most accurate configuration that the near future allows.

    controller = Controller(profile, limits, thermal)
    decision = controller.decide(now_s, telemetry)      # before a frame
    controller.observe(outcome)                         # after it

Before every frame it knows how much longer engines take now than in the profile (slowdown), what
each would draw (power_model), where the die's temperature would go (thermal_model) and what is
left of a mission's energy (energy_plan). From these follow a deadline with a margin and a power
cap (caps), from both the choice (policy), and from switching whether it may be taken now.

Source: the estimator is ALERT's (Wan et al., USENIX ATC 2020), differs as slowdown.py says; heat,
energy, switching and the two caps are this project's own.
"""

import math
from collections.abc import Iterable, Mapping

from edgert.control.caps import NO_CAP, Cap
from edgert.control.estimates import Estimates
from edgert.control.options import Option, Options, fingerprint
from edgert.control.policy import Choice, Expected, Room, choose, rank, skip_ratio
from edgert.control.state import refuse_other, thermal_fingerprint
from edgert.control.switching import Switching
from edgert.control.tuning import DEFAULT_TUNING, Tuning
from edgert.records import (
    ControllerState,
    Decision,
    FrameOutcome,
    Limits,
    Profile,
    TelemetrySample,
    ThermalConstants,
)


class Controller:
    """See the module. Pure: no clock, no devices; the same calls give the same decisions.

    Args:
        profile: What each configuration costs and gives on this board; at least one entry.
            Missing power is learned from the readings, a missing accuracy is taken from the order
            of cost. Configurations that are dominated are never chosen.
        limits: What must hold; may be replaced between two frames.
        thermal: How the board heats, from `edgert calibrate`. None: a cautious guess, refined
            while running.
        tuning: The constants.

    Raises:
        NoFeasibleConfigurationError: The profile cannot be chosen from; see `Options`.
    """

    def __init__(
        self,
        profile: Profile,
        limits: Limits,
        thermal: ThermalConstants | None = None,
        *,
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        self.limits = limits
        self.tuning = tuning
        self._profile, self._thermal = profile, thermal
        self._options = Options(profile, idle_w=None if thermal is None else thermal.idle_w)
        self._known = Estimates(self._options, thermal, tuning)
        self._switching = Switching(tuning)
        self._current: Option | None = None
        self._chosen = False  # by itself; else the current one was pinned
        self._believed: dict[str, float] = {}
        self._switched = False  # with this decision
        self._pinned: str | None = None
        self._skip_credit = 0.0

    # ------------------------------------------------------------ what callers do

    def decide(self, now_s: float, telemetry: TelemetrySample | None) -> Decision:
        """See Policy.decide. The reason says what speaks against the next better configuration."""
        known, limits = self._known, self.limits
        known.advance(now_s, self._current, limits)
        self._switching.advance(known.now_s)
        known.take_in(telemetry, self._current, limits)
        cap = known.cap(limits, self._current)
        chosen, words = self._choose(cap)
        skip = self._skip(chosen, cap)
        if complaint := known.complaint(limits):
            words = f"{words}; {complaint}"
        if skip:
            words = f"{words}; this frame is skipped"
        return Decision(
            configuration=chosen.option.name,
            reason=words,
            skip=skip,
            numbers=self._numbers(chosen, cap),
        )

    def observe(self, outcome: FrameOutcome) -> None:
        """See Policy.observe. An outcome that is no number teaches nothing."""
        self._known.observe(outcome, self.limits, first=self._switched)
        self._switched = False

    def pin(self, configuration: str | None) -> None:
        """Run this configuration whatever the limits say; None: choose again.

        Raises:
            KeyError: The profile has none of that name.
        """
        if configuration is not None and configuration not in self._options.all_rows:
            raise KeyError(f"{configuration!r} is not among {list(self._options.all_names)}")
        self._pinned = configuration

    def believe(self, accuracies: Mapping[str, float]) -> None:
        """Choose by these accuracies in place of the profile's, from the next decision on.

        Those not named keep the profile's; so whoever names some has to put all on one scale, and
        an empty mapping brings all of the profile's back. What runs goes on and is left as any
        other: for a limit at once, for something better with dwell and ration. To be called after
        every frame: without a change it does nothing.

        Raises:
            KeyError: The profile has none of a name.
            ValueError: An accuracy is no share from 0 to 1.
        """
        if self._believed == accuracies:
            return
        self._options.believe(accuracies)
        self._believed = dict(accuracies)
        if self._current is not None:
            self._current = self._options.all_rows[self._current.name]

    def forecast_c(self, horizon_s: float) -> float | None:
        """The die's temperature some time after the last decision, if the power stays as it is.

        Args:
            horizon_s: Any time ahead.

        Returns:
            None before the first reading of a temperature.
        """
        return self._known.forecast_c(horizon_s, self.limits, self._current)

    def state(self) -> ControllerState:
        """What was learned, to go on from after a restart."""
        return ControllerState(
            family=self._profile.family,
            device=self._profile.device,
            board=self._profile.board,
            profile=fingerprint(self._profile),
            slowdown=self._known.slowdown.ratio,
            margin_ratio=self._known.slowdown.margin_ratio,
            power_bias=self._known.power.bias,
            power_exponent=self._known.power.exponent,
            own_power_biases=dict(self._known.power.own),
            thermal_corrections=self._known.heat.corrections,
            thermal=thermal_fingerprint(self._thermal),
            spent_j=self._known.energy.spent_j,
            elapsed_s=self._known.energy.elapsed_s,
            pinned=self._pinned,
        )

    def restore(self, state: ControllerState) -> None:
        """Go on from what was learned before; only before the first decision.

        Raises:
            ArtifactError: The state is of another family, board or profile; nothing is taken
                over.
            ValueError: Decisions were made already.
        """
        if self._current is not None:
            raise ValueError("a state is restored before the first decision")
        refuse_other(state, self._profile)
        self._known.slowdown.restore(state.slowdown, state.margin_ratio)
        self._known.power.restore(state.power_bias, state.power_exponent, state.own_power_biases)
        if state.thermal == thermal_fingerprint(self._thermal):
            self._known.heat.restore(state.thermal_corrections)
        self._known.energy.spent_j, self._known.energy.elapsed_s = state.spent_j, state.elapsed_s
        self._pinned = state.pinned if state.pinned in self._options.all_rows else None

    def take_profile(self, profile: Profile) -> None:
        """Go on with other figures of the same engines, between any two frames.

        What is known of the board stays: heat, energy spent, over-current, readings, dwell and
        ration. What was learned against the old figures is put on the new ones: the configuration
        that ran last is expected to take and to draw what it was seen to, the others what the new
        profile says they do beside it. The margin, a share, stays. Accuracies that were believed
        are forgotten: whoever told them works them out anew. A pin on what the profile doesn't
        have is dropped, and what runs is chosen anew where it has no figures any more.

        Raises:
            NoFeasibleConfigurationError: The profile cannot be chosen from; nothing has changed.
        """
        options = Options(profile, idle_w=None if self._thermal is None else self._thermal.idle_w)
        self._known.take_options(options)
        self._profile, self._options, self._believed = profile, options, {}
        rows = options.all_rows
        self._current = None if self._current is None else rows.get(self._current.name)
        self._pinned = self._pinned if self._pinned in rows else None

    # ------------------------------------------------------------ the decision

    def _numbers(self, chosen: Expected, cap: Cap) -> dict[str, float]:
        known = self._known
        numbers = {
            "slowdown": known.slowdown.ratio,
            "margin_ratio": known.slowdown.margin_ratio,
            "expected_latency_s": chosen.latency_s,
            "expected_power_w": chosen.power_w,
        }
        if cap is not NO_CAP:
            numbers["cap_w"], numbers["enter_cap_w"] = cap.hold_w, cap.enter_w
        if known.heat.ready:
            numbers["ambient_c"] = known.heat.ambient_c
        return numbers

    def _expected(self, options: Iterable[Option]) -> list[Expected]:
        return self._known.expected(options, self.limits, self._current)

    def _choose(self, cap: Cap) -> tuple[Expected, str]:
        """The row for this frame and why; switches are booked."""
        deadline_s = self.limits.deadline_s or math.inf
        if self._pinned is not None:
            self._chosen = False
            return self._keep_pin(deadline_s, cap)
        chosen, self._chosen = self._chosen, True
        if blind := self._known.blind(self.limits):
            least = min(self._rows(), key=lambda row: (row.power_w, row.latency_s))
            self._move(least.option, climbed=False)
            return least, f"{blind}: {least.option.name}, the cheapest"
        enter = Room(deadline_s * (1 - self.tuning.latency_room_ratio), cap.enter_w)
        current = self._current
        # At first, or after a pin. What it chose itself may be dominated by what is believed now.
        if current is None or not (chosen or self._options.is_kept(current)):
            choice = choose(self._rows(), enter)
            self._move(choice.expected.option, climbed=False)
            return choice.expected, f"start with {self._told(choice, cap)}"
        [here] = self._expected([current])
        if here.latency_s > deadline_s or here.power_w > cap.hold_w:
            return self._forced(here, enter, Room(deadline_s, cap.hold_w), cap)
        return self._free(here, enter, cap)

    def _rows(self) -> list[Expected]:
        return self._expected(self._options.rows)

    def _forced(self, here: Expected, enter: Room, hold: Room, cap: Cap) -> tuple[Expected, str]:
        """The present configuration breaks a limit: leave it now, if there is something better."""
        name, rows = here.option.name, self._rows()
        choice = choose(rows, enter)
        if not (choice.keeps_deadline and choice.keeps_power):
            choice = choose(rows, hold)
        if here.latency_s > hold.deadline_s:
            why = f"{name} would take {here.latency_s * 1e3:.1f} of {hold.deadline_s * 1e3:.1f} ms"
        else:
            why = f"{name} would draw {here.power_w:.2f} W of {cap.hold_w:.2f} W ({cap.words})"
        there = choice.expected
        if there.option is here.option:
            return here, f"{why}; {self._told(choice, cap)}"
        if here.latency_s > hold.deadline_s:
            self._switching.late(name)
        self._move(there.option, climbed=False)
        return there, f"{why}: down to {self._told(choice, cap)}"

    def _free(self, here: Expected, enter: Room, cap: Cap) -> tuple[Expected, str]:
        """The present configuration is all right; something better may be taken with care."""
        name, switching = here.option.name, self._switching
        better = self._expected(self._options.better[name])
        if not better:
            return here, f"hold {name}, the most accurate"
        fitting = [
            row
            for row in better
            if row.latency_s <= enter.deadline_s and row.power_w <= enter.power_w
        ]
        if not fitting:
            return here, f"hold {name}: {_obstacle(better, enter, cap)}"
        best = max(fitting, key=rank)
        there = best.option
        if not switching.dwelt():
            return here, f"hold {name}: {there.name} fits, but {name} has only just begun"
        if not switching.may_enter(there.name):
            return here, f"hold {name}: {there.name} was late a moment ago"
        if not switching.may_climb():
            return here, f"hold {name}: {there.name} fits, but there were switches enough"
        self._move(there, climbed=True)
        return best, f"there is room: from {name} up to {there.name}"

    def _keep_pin(self, deadline_s: float, cap: Cap) -> tuple[Expected, str]:
        option = self._options.all_rows[self._pinned or ""]
        [row] = self._expected([option])
        self._move(option, climbed=False)
        words = f"{option.name} is pinned by the operator"
        if row.latency_s > deadline_s:
            words += f", late: {row.latency_s * 1e3:.1f} of {deadline_s * 1e3:.1f} ms"
        if row.power_w > cap.hold_w:
            words += f", over {cap.words}: {row.power_w:.2f} of {cap.hold_w:.2f} W"
        return row, words

    def _move(self, option: Option, *, climbed: bool) -> None:
        if option is self._current:
            return
        self._switched = self._current is not None
        self._current = option
        self._switching.moved(climbed=climbed)

    def _skip(self, chosen: Expected, cap: Cap) -> bool:
        """Whether this frame is left out: only where even the cheapest draws too much."""
        if self._pinned is not None or chosen.power_w <= cap.hold_w:
            self._skip_credit = 0.0
            return False
        self._skip_credit += skip_ratio(
            chosen.power_w, cap.hold_w, self._known.power.idle_w, most=self.tuning.skip_most_ratio
        )
        if self._skip_credit < 1:
            return False
        self._skip_credit -= 1
        return True

    def _told(self, choice: Choice, cap: Cap) -> str:
        """A choice in words, with what it cannot keep."""
        name = choice.expected.option.name
        if not choice.keeps_power:
            return f"{name}, which draws least; nothing keeps {cap.words}"
        if not choice.keeps_deadline:
            return f"{name}, the fastest; nothing keeps the deadline"
        return f"{name}, the most accurate that fits"


def _obstacle(better: list[Expected], enter: Room, cap: Cap) -> str:
    """What speaks against the least of the better configurations."""
    row = min(better, key=lambda row: row.option.accuracy)
    name = row.option.name
    if row.latency_s > enter.deadline_s:
        return f"{name} would take {row.latency_s * 1e3:.1f} of {enter.deadline_s * 1e3:.1f} ms"
    return f"{name} would draw {row.power_w:.2f} W of {enter.power_w:.2f} W ({cap.words})"
