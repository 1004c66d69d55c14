"""Which frames choose and which report: blocks of neighbours, since neighbours look alike.

Frames of a drive come in the order of their names. Dealt out one by one, each frame to report on
would have a twin among those that chose; dealt out in blocks, only the blocks' edges have.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCKS = 10  # of a labelled set; fewer where there are fewer frames
_BOOTSTRAP_FRAMES = 5  # neighbours that are drawn together


def split_by_blocks(
    count: int, turns: Sequence[str], *, blocks: int = BLOCKS
) -> dict[str, list[int]]:
    """Deal out blocks of neighbouring frames, one name after another.

    Args:
        count: Frames, in the order of the drive; at least one for each name.
        turns: Names in the order of their turns; a name that comes twice gets twice as much.
        blocks: How many there are; as many full rounds of turns as fit in.

    Returns:
        For each name its frames, ascending. Together they are all frames, each once.

    Raises:
        ValueError: Fewer frames than turns.
    """
    if count < len(turns):
        raise ValueError(f"{count} frames for {len(turns)} turns")
    rounds = max(1, min(blocks, count) // len(turns))
    edges = np.linspace(0, count, rounds * len(turns) + 1).round().astype(int)
    parts: dict[str, list[int]] = {name: [] for name in turns}
    for index, (start, stop) in enumerate(itertools.pairwise(edges)):
        parts[turns[index % len(turns)]] += range(start, stop)
    return parts


def bootstrap_draws(count: int, *, draws: int, seed: int) -> NDArray[np.int64]:
    """How often each frame counts in each of some resamplings by blocks of neighbours.

    Args:
        count: Frames in their order.
        draws: How many resamplings.
        seed: Of the generator.

    Returns:
        (draws, count) int64; empty, (0, count), where there are too few frames for two blocks.
    """
    length = _BOOTSTRAP_FRAMES if count >= 4 * _BOOTSTRAP_FRAMES else max(1, count // 4)
    block_of = np.arange(count) // length
    blocks = int(block_of[-1]) + 1 if count else 0
    if blocks < 2:
        return np.zeros((0, count), np.int64)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(blocks, size=(draws, blocks))
    times = np.stack([np.bincount(row, minlength=blocks) for row in drawn])
    weights: NDArray[np.int64] = times[:, block_of].astype(np.int64)
    return weights
