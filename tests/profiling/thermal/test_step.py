"""The step test in virtual time, on an emulated board: its order, its ends, its refusals."""

import msgspec
import pytest

from edgert.emulator.board import read_board_spec
from edgert.errors import SensorReadError, TelemetryError
from edgert.profiling.thermal.checks import StepPlan, why_too_hot, why_unfit_test
from edgert.profiling.thermal.constants import Subject, constants_from
from edgert.profiling.thermal.step import calibrate, play_step_test
from edgert.records import TelemetrySample
from tests.profiling.energy.boards import Rig

DEMO = read_board_spec("profiles/boards/emulated-orin-nano.yaml")
COOL = msgspec.structs.replace(
    DEMO, throttle=msgspec.structs.replace(DEMO.throttle, trip_c=140, release_c=130)
)
PLAN = StepPlan(idle_s=30.0, step_s=60.0, settled_s=2.1, trip_c=140.0)
SUBJECT = Subject(device="cpu", board="b", engine="full")


class Bench(Rig):
    """A rig whose engine keeps count of when it ran."""

    def __init__(self, spec=COOL, **options):
        super().__init__(spec, interval_s=0.05, **options)
        self.ran_s = []
        self.told = []

    def step(self):
        self.ran_s.append(self.clock.now_s())
        self.runs["full"]()

    def play(self, plan=PLAN):
        return play_step_test(self.step, self.meter, plan, lambda *words: self.told.append(words))

    def at(self, time_s, change):
        """From a time of the test on, what samples become."""
        before = self.source.change

        def changed_later(sample):
            return change(sample) if self.clock.now_s() >= 100 + time_s else before(sample)

        self.source.change = changed_later


def changed(**fields):
    return lambda sample: msgspec.structs.replace(sample, **fields)


def refusal(bench, plan=PLAN):
    with pytest.raises(TelemetryError) as raised:
        calibrate(bench.play(plan))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("calibrate: expected ")
    return raised.value.got


# ---------------------------------------------------------------- as planned


@pytest.fixture(scope="module")
def played():
    bench = Bench()
    return bench, bench.play()


def test_the_engine_runs_between_two_rests_only(played):
    bench, test = played
    assert (test.begun_s, test.load_from_s) == pytest.approx((100, 130))
    assert test.load_to_s == pytest.approx(190, abs=0.1)
    assert test.over_s == pytest.approx(220, abs=0.1)
    assert bench.ran_s[0] == pytest.approx(130)
    assert bench.ran_s[-1] < test.load_to_s
    assert len(bench.ran_s) > 2500
    assert test.ended == ""


def test_the_board_s_constants_are_found(played):
    bench, test = played
    found = calibrate(test)
    truth = bench.board.spec.thermal
    for name, value in found.fit.constants._asdict().items():
        assert value == pytest.approx(getattr(truth, name), rel=0.10), name
    assert found.fit.ambient_c == pytest.approx(31, abs=0.5)
    assert found.idle_w == pytest.approx(3.5, abs=0.05)
    assert found.notes == []


def test_the_record_says_what_it_is_and_how_it_came_about(played):
    _, test = played
    found = calibrate(test)
    constants = constants_from(found, test, PLAN, SUBJECT)
    assert (constants.device, constants.board, constants.provenance) == ("cpu", "b", "emulated")
    assert constants.sink_j_per_k == found.fit.constants.sink_j_per_k
    assert constants.samples == found.samples > 1000
    assert constants.method.startswith(
        "step test: idle 30 s, full back to back 60 s, idle; two nodes; standard errors "
        "die_to_sink_k_per_w 0."
    )
    assert msgspec.json.decode(msgspec.json.encode(constants), type=type(constants)) == constants


def test_an_emulated_subject_is_emulated_whatever_its_samples_say(played):
    _, test = played
    measured = test._replace(seen=msgspec.structs.replace(test.seen, provenance="measured"))
    found = calibrate(measured)
    asked = [constants_from(found, measured, PLAN, SUBJECT._replace(emulated=e)) for e in (0, 1)]
    assert [one.provenance for one in asked] == ["measured", "emulated"]


def test_the_samples_power_mode_goes_before_the_machine_s(played):
    _, test = played
    found = calibrate(test)
    told = test._replace(seen=msgspec.structs.replace(test.seen, power_modes=["15W"]))
    subject = SUBJECT._replace(power_mode="25W")
    assert constants_from(found, told, PLAN, subject).power_mode == "15W"
    assert constants_from(found, test, PLAN, subject).power_mode == "25W"


def test_progress_goes_on_and_comes_to_its_end(played):
    bench, _ = played
    done_s = [done for done, _, _ in bench.told]
    assert done_s == sorted(done_s)
    assert list(dict.fromkeys(what for _, _, what in bench.told)) == [
        "idle before", "load", "idle after",
    ]  # fmt: skip
    assert all(done + to_go == pytest.approx(120, abs=1.5) for done, to_go, _ in bench.told)
    assert len(bench.told) > 100


# ---------------------------------------------------------------- early ends


def test_the_load_ends_on_purpose_below_the_trip_point():
    bench = Bench(DEMO)
    test = bench.play(PLAN.__class__(idle_s=30, step_s=300, settled_s=2.1, trip_c=80))
    assert test.load_to_s - test.load_from_s < 60
    assert max(test.samples.temp_c) < 76.5
    assert not test.seen.throttled
    found = calibrate(test)
    assert found.notes[0].startswith("the load was ended after ")
    assert "within the margin of 5 K of its trip point of 80 °C" in found.notes[0]
    assert found.fit.constants.sink_j_per_k == pytest.approx(9.0, rel=0.1)


def test_the_operator_s_own_temperature_goes_before_the_trip_point():
    test = Bench().play(StepPlan(idle_s=20, step_s=60, settled_s=2, most_temp_c=60))
    assert test.ended.endswith("60 °C were allowed")
    assert max(test.samples.temp_c) < 61.5


def test_a_board_that_throttles_ends_the_load_and_the_rest_is_used():
    bench = Bench()
    bench.at(55, changed(throttled=True, throttle_reason="clock at 60%"))
    test = bench.play()
    assert test.ended == "throttled: clock at 60%"
    assert test.load_to_s == pytest.approx(155, abs=0.3)
    found = calibrate(test)
    assert "the load was ended after 25 s: throttled: clock at 60%" in found.notes
    assert found.fit.constants.sink_j_per_k == pytest.approx(9.0, rel=0.1)


def test_a_board_that_throttles_at_once_is_refused():
    bench = Bench()
    bench.at(30.2, changed(throttled=True, throttle_reason="supply"))
    assert "power samples in" in refusal(bench)


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        ({"throttled": True, "throttle_reason": "supply sagged"}, "throttled: supply sagged"),
        ({"temp_c": 136.0}, "the hottest zone at 136.0 °C, within the margin of 5 K of its trip"),
    ],
)
def test_no_load_is_put_on_a_board_that_is_hot_or_held_back(fields, got):
    bench = Bench()
    bench.at(10, changed(**fields))
    assert refusal(bench).startswith(got)
    assert bench.ran_s == []


def test_ctrl_c_goes_through():
    bench = Bench()

    def step():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_step_test(step, bench.meter, PLAN)


# ---------------------------------------------------------------- refusals


def test_sensors_that_fall_silent_end_the_test_within_seconds():
    bench = Bench()

    def silent(_sample):
        raise SensorReadError("read", expected="power", got="vanished", advice="See to it")

    bench.at(40, silent)
    got = refusal(bench)
    assert got == "none for 5 s (vanished)"
    assert bench.clock.now_s() < 100 + 40 + 7


def test_a_gap_of_power_is_refused_with_its_reason():
    bench = Bench()
    gap = changed(power_w=None, gaps={"power": "torn"})
    bench.source.change = lambda s: gap(s) if 140 <= bench.clock.now_s() < 144.9 else s
    test = bench.play()
    late = test.samples.time_s[test.samples.time_s > 140][0]
    assert late > 144.8
    assert why_unfit_test(test) == ""  # 4.9 s are let pass
    bench = Bench()
    bench.source.change = lambda s: gap(s) if 140 <= bench.clock.now_s() < 145.05 else s
    assert refusal(bench).startswith(("no power for 5.", "none for 5 s (torn)"))


def test_a_gap_of_temperature_is_refused():
    bench = Bench()
    bench.source.change = lambda s: (
        changed(temp_c=None)(s) if 140 <= bench.clock.now_s() < 150 else s
    )
    assert refusal(bench).startswith("no temperature for 10.")


def test_no_temperature_at_all_is_refused():
    bench = Bench()
    bench.source.change = changed(temp_c=None)
    assert refusal(bench).startswith("no temperature at all")


def test_a_power_mode_that_changes_is_refused():
    bench = Bench()
    bench.source.change = changed(power_mode="25W")
    bench.at(70, changed(power_mode="15W"))
    assert refusal(bench) == "a power mode that changed: 25W to 15W"


def test_a_source_that_does_not_see_the_load_is_refused():
    bench = Bench()
    bench.source.change = changed(power_w=3.5)
    assert refusal(bench).startswith("a power of 3.50 W under load and 3.50 W idle")


def test_a_board_that_hardly_warms_is_refused():
    bench = Bench()
    bench.source.change = lambda s: changed(temp_c=40 + 0.03 * (s.temp_c - 40))(s)
    assert "K under load, where 3 K are needed" in refusal(bench)


def test_too_few_samples_are_refused():
    bench = Bench()
    bench.meter.sampler.interval_s = 3.0
    assert "power samples in 30 s, 12 are needed, idle before the load" in refusal(bench)


def test_a_clock_that_goes_back_is_refused(played):
    _, test = played
    back = test._replace(seen=msgspec.structs.replace(test.seen, clock_went_back=True))
    assert why_unfit_test(back) == "samples whose clock went back"


# ---------------------------------------------------------------- notes


def test_a_fan_that_moves_is_told():
    bench = Bench()
    bench.source.change = lambda s: changed(fan_ratio=0.3 if s.temp_c < 55 else 0.8)(s)
    assert calibrate(bench.play()).notes[0].startswith("the fan went from 30% to 80%")


def test_much_that_is_left_unexplained_is_told():
    bench = Bench()
    bench.source.change = lambda s: changed(
        temp_c=s.temp_c + 5 * (int(bench.clock.now_s() / 3) % 2)
    )(s)
    assert any("K are left unexplained" in note for note in calibrate(bench.play()).notes)


# ---------------------------------------------------------------- too hot


def sample(temp_c=50.0, **fields):
    return TelemetrySample(time_s=0, source="s", provenance="measured", temp_c=temp_c, **fields)


TRIPS = {"tj": {"passive": 99.0, "critical": 104.5}, "cpu": {"active": 51.0, "passive": 70.0}}


@pytest.mark.parametrize(
    ("seen", "plan", "words"),
    [
        (sample(84.9), StepPlan(), ""),
        (sample(85.0), StepPlan(), "an assumed trip point of 90 °C"),
        (sample(90.0), StepPlan(trip_c=90), "its trip point of 90 °C"),
        (sample(90.0), StepPlan(trip_c=99), ""),
        (sample(94.0, zones_c={"tj": 94.0}, trip_points_c=TRIPS), StepPlan(), "tj at 94.0 °C"),
        (sample(93.9, zones_c={"tj": 93.9}, trip_points_c=TRIPS), StepPlan(), ""),
        # A zone with a low trip point of its own is no hotter than the hottest, and still too hot.
        (
            sample(80.0, zones_c={"tj": 80.0, "cpu": 66.0}, trip_points_c=TRIPS),
            StepPlan(),
            "cpu at 66.0 °C, within the margin of 5 K of its trip point of 70 °C",
        ),
        # A fan's own trip point is no reason.
        (sample(60.0, zones_c={"cpu": 60.0}, trip_points_c=TRIPS), StepPlan(), ""),
        (sample(None), StepPlan(), ""),
        (sample(None), StepPlan(most_temp_c=60), ""),
        (sample(60.0), StepPlan(most_temp_c=60), "60.0 °C, 60 °C were allowed"),
    ],
)
def test_how_hot_is_too_hot(seen, plan, words):
    found = why_too_hot(seen, plan)
    assert words in found
    assert bool(found) == bool(words)
