"""Small days for the oracle, and plans that are run in the plant to be held against it."""

import random

from edgert.emulator.throttle import ThrottleSpec
from edgert.evaluation.board import WorldBoard
from edgert.evaluation.day import Day
from edgert.evaluation.outcome import outcome_from_tally
from edgert.evaluation.plant import Plant
from edgert.evaluation.sensing import EXACT
from edgert.records import Limits, Profile, ProfileEntry, ThermalConstants

BOARD = WorldBoard(
    thermal=ThermalConstants(
        die_j_per_k=4.0,
        sink_j_per_k=12.0,
        die_to_sink_k_per_w=0.6,
        sink_to_ambient_k_per_w=2.0,
        idle_w=3.0,
    ),
    fan_stopped_k_per_w=3.2,
    throttle=ThrottleSpec(trip_c=200.0, release_c=190.0),
    power_spread_ratio=0.0,
)


def profile_of(*rows):
    """A profile of (latency_s, power_w, accuracy); "c0" first."""
    entries = [
        ProfileEntry(name=f"c{i}", latency_s=t, power_w=p, accuracy=q)
        for i, (t, p, q) in enumerate(rows)
    ]
    return Profile(family="test", device="modelled", entries=entries)


def day_of(slowdown, *, period_s, duration_s, limits=None, board=BOARD, ambient_c=25.0, fan=None):
    """A day; `limits` is one for all seconds or a list of them."""
    each = limits if isinstance(limits, list) else [limits or Limits()] * duration_s
    return Day(
        scenario="test",
        seed=0,
        duration_s=duration_s,
        period_s=period_s,
        board=board,
        slowdown=list(slowdown),
        ambient_c=[ambient_c] * duration_s,
        fan_running=fan or [True] * duration_s,
        limits=each,
    )


def run_plan(day, profile, plan):
    """Run a list of names, one for each frame, None to skip; the books and the outcome."""
    plant = Plant(day, profile, EXACT)
    while plant.next_frame():
        name = plan[plant.frame]
        if name is None:
            plant.skip()
        else:
            plant.run(name)
    return plant.tally, outcome_from_tally(day, plant.tally, [])


def keeps_all(day, tally, outcome):
    """Whether a run kept every limit, none of a thousand windows excepted."""
    return outcome.hot_s == 0 and tally.broken_windows == 0 and outcome.overdrawn_j == 0


def random_plan(chance, names, frames):
    """Stretches of mixtures of two configurations, with skips, as controllers make them."""
    plan = []
    while len(plan) < frames:
        pair, share = chance.choices([*names, None], k=2), chance.random()
        stretch = chance.randint(5, 120)
        plan += [pair[chance.random() < share] for _ in range(stretch)]
    return plan[:frames]


def slowdown_of(seed, frames):
    """Levels that last, noise, a few spikes."""
    chance, level, found = random.Random(f"oracle/{seed}"), 1.0, []
    for _ in range(frames):
        if chance.random() < 0.02:
            level = chance.uniform(1.0, 1.6)
        spike = chance.uniform(1.3, 2.0) if chance.random() < 0.01 else 1.0
        found.append(level * (1 + 0.02 * chance.gauss(0, 1)) * spike)
    return found
