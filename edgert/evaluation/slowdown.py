"""How much longer engines take, frame by frame, than on a quiet board: a made-up course.

Stages as in the evaluation of ALERT (Wan et al., ATC 2020): idle, memory and compute contention
that last for a while. Differs: the levels are drawn, and noise, spikes and bursts are added.
"""

import random

STAGE_S, STAGE_LEVEL = (30.0, 120.0), (1.0, 1.55)
NOISE_RATIO, NOISE_MEMORY = 0.02, 0.8  # standard deviation of the AR(1) noise, its coefficient
SPIKE_SHARE, SPIKE_RATIO = 0.004, (1.3, 2.0)
BURST_S, BURST_RATIO, BURST_APART_S = (2.0, 8.0), (1.15, 1.4), (60.0, 200.0)


def draw_slowdown(seed: int, frames: int, period_s: float) -> list[float]:
    """Slowdown of each frame, about 1 to 2.2; spikes reach further."""
    noise = random.Random(f"{seed}/noise")
    levels = _levels(seed, frames, period_s)
    step = NOISE_RATIO * (1 - NOISE_MEMORY**2) ** 0.5
    off, before_spiked = 0.0, False
    slowdown = []
    for level in levels:
        off = NOISE_MEMORY * off + step * noise.gauss(0.0, 1.0)
        value = level * max(1 + off, 0.9)
        spikes = noise.random() < SPIKE_SHARE and not before_spiked
        if spikes:
            value *= noise.uniform(*SPIKE_RATIO)
        before_spiked = spikes
        slowdown.append(value)
    return slowdown


def _levels(seed: int, frames: int, period_s: float) -> list[float]:
    """Stages, with bursts of contention on top."""
    chance = random.Random(f"{seed}/stages")
    levels: list[float] = []
    while len(levels) < frames:
        level = chance.uniform(*STAGE_LEVEL)
        levels += [level] * round(chance.uniform(*STAGE_S) / period_s)
    del levels[frames:]
    chance = random.Random(f"{seed}/bursts")
    first = round(chance.uniform(*BURST_APART_S) / period_s)
    while first < frames:
        after = min(first + round(chance.uniform(*BURST_S) / period_s), frames)
        ratio = chance.uniform(*BURST_RATIO)
        levels[first:after] = [level * ratio for level in levels[first:after]]
        first = after + round(chance.uniform(*BURST_APART_S) / period_s)
    return levels
