"""The course of contention: levels, noise and spikes as they are said to be."""

import itertools
import statistics

from edgert.evaluation.slowdown import SPIKE_SHARE, STAGE_LEVEL, draw_slowdown

PERIOD_S, FRAMES = 1 / 30, 27_000


def courses():
    return [draw_slowdown(seed, FRAMES, PERIOD_S) for seed in range(8)]


def test_course_stays_within_stages_noise_and_bursts():
    for course in courses():
        assert len(course) == FRAMES
        ordered = sorted(course)
        assert ordered[0] > STAGE_LEVEL[0] * 0.9
        assert ordered[int(FRAMES * 0.99)] < STAGE_LEVEL[1] * 1.4 * 1.1


def test_spikes_are_as_rare_as_said_and_lone():
    shares = []
    for course in courses():
        spikes = [
            place
            for place in range(1, FRAMES - 1)
            if course[place] > 1.22 * max(course[place - 1], course[place + 1])
        ]
        shares.append(len(spikes) / FRAMES)
        assert all(b - a > 1 for a, b in itertools.pairwise(spikes))
    assert 0.8 * SPIKE_SHARE < statistics.fmean(shares) < 1.1 * SPIKE_SHARE


def test_noise_within_a_stage_is_a_few_percent_and_remembers():
    course = courses()[0][:600]  # the first stage lasts longer, and no burst comes before 60 s
    calm = [ratio for ratio in course if ratio < 1.2 * statistics.median(course)]
    mean, spread = statistics.fmean(calm), statistics.stdev(calm)
    assert 0.01 < spread / mean < 0.03
    pairs = list(itertools.pairwise(calm))
    kept = statistics.fmean((a - mean) * (b - mean) for a, b in pairs) / spread**2
    assert 0.6 < kept < 0.95


def test_stages_last_half_a_minute_at_least():
    course = courses()[1]
    medians = [statistics.median(course[at : at + 30]) for at in range(0, FRAMES, 30)]
    jumps = sum(abs(b / a - 1) > 0.06 for a, b in itertools.pairwise(medians))
    assert 4 <= jumps <= 70  # up to 30 stages and 15 bursts with two edges


def test_short_and_empty_courses():
    assert draw_slowdown(1, 0, PERIOD_S) == []
    assert draw_slowdown(1, 100, PERIOD_S) == draw_slowdown(1, 500, PERIOD_S)[:100]
