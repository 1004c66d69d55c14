"""The estimators put together: who is fed what, and when."""

import msgspec
import pytest

from edgert.control.estimates import Estimates
from edgert.control.options import Options
from edgert.control.tuning import Tuning
from edgert.records import Limits
from tests.control.toy_board import EIGHT, IDLE_W, PERIOD_S, TRUE, outcome, power_at, sample

TUNING = Tuning()
LIMITS = Limits(
    deadline_s=0.03, power_w=9.0, temp_c=60.0, energy_j=5000.0, mission_s=600.0, miss_ratio=0.005
)


class Fed:
    """Estimates that are fed frames of one configuration at a pace."""

    def __init__(self, limits=LIMITS, *, name="c4", thermal=TRUE):
        self.known = Estimates(Options(EIGHT, idle_w=IDLE_W), thermal, TUNING)
        self.limits, self.now_s = limits, 0.0
        self.option = self.known._options.all_rows[name]

    def run(self, frames, *, ratio=1.0, period_s=PERIOD_S, met=True, first=False, **seen):
        for _ in range(frames):
            self.known.advance(self.now_s, self.option, self.limits)
            fields = {"power_w": power_at(self.option.name), "temp_c": 40.0, **seen}
            self.known.take_in(sample(self.now_s, **fields), self.option, self.limits)
            done = outcome(self.option.name, self.option.latency_s * ratio, met=met)
            self.known.observe(done, self.limits, first=first)
            self.now_s += period_s
        return self.known


def test_costs_carry_slowdown_margin_and_preprocessing():
    fed = Fed()
    known = fed.run(200, ratio=1.3)
    cost = known.expected([fed.option], fed.limits, fed.option)[0]
    margin = 1 + known.slowdown.margin_ratio
    assert cost.latency_s == pytest.approx(0.016 * 1.3 * margin, rel=0.01)
    for _ in range(100):
        known.observe(outcome("c4", 0.016 * 1.3 + 0.005, preprocess_s=0.005), LIMITS, first=False)
    dearer = known.expected([fed.option], fed.limits, fed.option)[0]
    assert dearer.latency_s == pytest.approx(cost.latency_s + 0.005, abs=5e-4)


def test_the_period_is_learned_where_limits_do_not_say_it_and_pauses_do_not_count():
    fed = Fed(Limits())
    known = fed.run(60, period_s=0.1, power_w=power_at("c4", period_s=0.1))
    paced_w = known.expected([fed.option], Limits(), fed.option)[0].power_w
    assert paced_w == pytest.approx(power_at("c4", period_s=0.1), rel=0.02)
    fed.now_s += 100.0
    fed.run(1)
    again_w = fed.known.expected([fed.option], Limits(), fed.option)[0].power_w
    assert again_w == pytest.approx(paced_w, rel=0.1)
    told_w = fed.known.expected([fed.option], Limits(period_s=0.016), fed.option)[0].power_w
    assert told_w > 1.5 * paced_w


def test_first_frames_after_a_switch_are_surcharged_only_to_who_enters():
    fed = Fed()
    known = fed.run(50)
    known._last_ran["c5"] = known.now_s
    for _ in range(60):
        known.observe(outcome("c5", 0.020 * 1.4), fed.limits, first=True)
    option = known._options.all_rows["c5"]
    stays = known.expected([option], fed.limits, option)[0].latency_s
    enters = known.expected([option], fed.limits, None)[0].latency_s
    assert enters == pytest.approx(1.4 * stays, rel=0.05)
    assert known.slowdown.ratio == pytest.approx(1.0, abs=0.01)


def test_a_throttled_board_s_power_does_not_teach():
    clear, throttled = Fed(), Fed()
    clear.run(300, power_w=5.0)
    throttled.run(300, power_w=5.0, throttled=True)
    assert clear.known.power.bias < 0.95
    assert throttled.known.power.bias == 1.0


def test_the_heat_is_not_updated_at_every_sample():
    fed = Fed()
    fed.run(2)
    first_s = fed.known.heat.time_s
    fed.run(5)
    assert fed.known.heat.time_s == first_s
    fed.run(20)
    assert fed.known.heat.time_s >= first_s + TUNING.heat_step_s


def test_the_first_temperature_goes_with_the_power_that_was_read_with_it():
    known = Fed(name="c8").run(1, power_w=IDLE_W, temp_c=40.0)
    assert known.heat.ambient_c == pytest.approx(40.0 - IDLE_W * 2.5)
    unread = Fed(name="c8").run(1, power_w=None, temp_c=40.0)
    assert unread.heat.ambient_c == pytest.approx(40.0 - unread.power.idle_w * 2.5)


def test_energy_follows_the_meter_where_the_model_is_wrong():
    fed = Fed()
    known = fed.run(600, power_w=9.0)
    assert known.energy.elapsed_s == pytest.approx(600 * PERIOD_S, rel=0.01)
    assert known.energy.spent_j == pytest.approx(9.0 * 600 * PERIOD_S, rel=0.02)
    # The control: by the profile alone it would have been a third less.
    assert power_at("c4") * 600 * PERIOD_S < 0.75 * known.energy.spent_j


def test_a_mission_rests_while_its_energy_is_no_limit():
    fed = Fed()
    fed.run(300)
    spent_j, elapsed_s = fed.known.energy.spent_j, fed.known.energy.elapsed_s
    fed.limits = msgspec.structs.replace(LIMITS, energy_j=None)
    fed.run(300)
    fed.limits = LIMITS
    fed.run(1)
    assert fed.known.energy.elapsed_s == pytest.approx(elapsed_s, abs=0.1)
    assert fed.known.energy.spent_j == pytest.approx(spent_j, rel=0.02)


def test_what_makes_it_blind():
    fed = Fed()
    fed.known.advance(0.0, None, LIMITS)
    assert fed.known.blind(LIMITS) == "no temperature was read yet"
    assert fed.known.blind(Limits(power_w=5.0)) == ""
    assert Fed().run(1).blind(LIMITS) == ""


@pytest.mark.parametrize("limits", [Limits(), Limits(deadline_s=0.03)])
def test_telemetry_is_not_missed_where_no_limit_needs_it(limits):
    fed = Fed(limits)
    fed.known.advance(0.0, None, limits)
    fed.known.take_in(None, None, limits)
    assert fed.known.complaint(limits) == ""
    assert fed.known.complaint(LIMITS) == "no telemetry"


@pytest.mark.parametrize("delay_s", [0.0, 1.7, 2.4, 2.6, 2.9])
def test_readings_of_any_delay_that_counts_reach_the_heat(delay_s):
    fed = Fed()
    for frame in range(900):
        now_s = frame * PERIOD_S
        fed.known.advance(now_s, fed.option, LIMITS)
        late = sample(now_s - delay_s, power_w=6.0, temp_c=40.0 + frame / 90)
        fed.known.take_in(late, fed.option, LIMITS)
        fed.known.cap(LIMITS, fed.option)
        fed.known.observe(outcome("c4", 0.016), LIMITS, first=False)
    assert fed.known.heat.time_s > 899 * PERIOD_S - delay_s - 2 * TUNING.heat_step_s
    assert fed.known.heat.die_c == pytest.approx(50.0, abs=1.0)
