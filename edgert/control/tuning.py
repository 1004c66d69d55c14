"""The constants of the predictive controller.

Found on made-up days (seeds 0 to 19 of `tools/evaluate_controllers.py`), not on a device.
"""

from typing import Annotated

import msgspec

from edgert.records import NotNegative, Positive, Ratio, Record

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Tuning(Record, frozen=True, kw_only=True):
    """How fast the controller learns, how far it looks ahead and how much room it leaves.

    Latency
        process_noise, measurement_noise: Variances of the slowdown filter, relative to its value;
            the profile's own spread replaces the second where it is known.
        spike_ratio: A lone frame this far over what was expected is taken for a spike.
        jump_gain: Weight of a frame that follows another one just as unexpected: not noise.
        margin_ratio, margin_least_ratio, margin_most_ratio, margin_step: The room a frame's time
            is given, at first and in bounds, and how far one late frame would move it.
        miss_share: Part of `limits.miss_ratio` that the margin aims at; the rest is for what no
            margin foresees.
        cold_s: A configuration that has not run for so long starts cold.
    Power
        sensor_lag_s: Time constant of the mean that the power sensor itself takes.
        power_gain, own_power_gain: How fast the power model follows the readings, for all
            configurations together and for the one that runs.
        power_room_ratio: Room left below the power budget; entering one more costs
            `enter_room_ratio` on top.
    Heat
        guard_c: Room left below the temperature limit.
        hold_s, enter_s: A configuration is left when it could not be held for the first, and
            entered when it could be held for the second.
        heat_step_s: Time between two updates of the thermal model.
        blind_c_per_s: How fast the guard grows without temperature readings.
    Energy
        energy_hold_s, energy_enter_s: As for heat, for what was saved of the mission's energy.
        energy_reserve_ratio: Part of it that is not planned with: the power sensor has a bias too.
    Switching
        dwell_s: Least time between two switches, unless a limit forces one.
        climbs_per_min: Switches up in a minute, on average; `climbs_saved` may be saved up.
        retry_s, retry_most_s: Wait before a configuration that was just left for the deadline is
            tried again; doubles each time, up to the second.
        latency_room_ratio: Room that a switch up must leave on top of the margin.
    Telemetry
        stale_s: A sample older than this does not count.
        blind_s: After so long without one only what is safe for ever is run.
        future_s: A sample's time may lie so far ahead of the clock.
    Over-current events
        over_current_ratio, over_current_hold_s, over_current_least_ratio: Each event lowers the
            power by this share, for so long, and not below the last.
    """

    process_noise: Positive = 2e-4
    measurement_noise: Positive = 3e-3
    spike_ratio: Annotated[float, msgspec.Meta(gt=1)] = 1.25
    jump_gain: Share = 0.6
    margin_ratio: Ratio = 0.05
    margin_least_ratio: Ratio = 0.01
    margin_most_ratio: Ratio = 0.4
    margin_step: Positive = 0.008
    miss_share: Share = 0.94
    cold_s: Positive = 10.0
    sensor_lag_s: Positive = 0.35
    power_gain: Share = 0.04
    own_power_gain: Share = 0.08
    power_room_ratio: Ratio = 0.0125
    enter_room_ratio: Ratio = 0.015
    guard_c: NotNegative = 0.6
    hold_s: Positive = 2.0
    enter_s: Positive = 8.0
    heat_step_s: Positive = 0.5
    blind_c_per_s: NotNegative = 0.05
    energy_hold_s: Positive = 5.0
    energy_enter_s: Positive = 40.0
    energy_reserve_ratio: Ratio = 0.01
    dwell_s: Positive = 0.5
    climbs_per_min: Positive = 12.0
    climbs_saved: Positive = 6.0
    retry_s: Positive = 0.3
    retry_most_s: Positive = 2.0
    latency_room_ratio: Ratio = 0.01
    stale_s: Positive = 3.0
    blind_s: Positive = 15.0
    future_s: Positive = 0.5
    over_current_ratio: Ratio = 0.05
    over_current_hold_s: Positive = 60.0
    over_current_least_ratio: Share = 0.6
    skip_most_ratio: Ratio = 0.95


DEFAULT_TUNING = Tuning()
