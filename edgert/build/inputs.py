"""What graphs are checked on: noise and waves as pictures have them, real frames, and extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.records import TensorSpec

Feeds = Mapping[str, NDArray[Any]]
_SEED = 20240415
_LARGE, _TINY = 100.0, 1e-4  # against pictures, which are normalised to about -2..3


@dataclass(frozen=True)
class CheckInput:
    """One array for each of the graph's inputs.

    `natural` ones are like what will come from a camera, and are judged by the tight limits; the
    others only have to show what breaks.
    """

    name: str
    feeds: Feeds
    natural: bool = True


def check_inputs(
    specs: Sequence[TensorSpec], *, frames: Sequence[NDArray[Any]] = (), seeds: int = 3
) -> list[CheckInput]:
    """What a graph is checked on, the same every time.

    Args:
        specs: The graph's inputs.
        frames: Real arrays for its first input; the others then get noise.
        seeds: How many draws of noise.
    """
    makers = {
        **{f"noise {k + 1}": lambda spec, k=k: _noise(spec, _SEED + k) for k in range(seeds)},
        **{f"waves {k}": lambda spec, k=k: _waves(spec, k) for k in (1, 2)},
    }
    extremes = {
        "zeros": lambda spec: np.zeros(spec.shape, spec.dtype),
        "ones": lambda spec: np.ones(spec.shape, spec.dtype),
        "large noise": lambda spec: _noise(spec, _SEED + seeds, scale=_LARGE),
        "tiny noise": lambda spec: _noise(spec, _SEED + seeds + 1, scale=_TINY),
    }
    real = [
        CheckInput(
            f"frame {index + 1}",
            {spec.name: frame if spec is specs[0] else _noise(spec, _SEED) for spec in specs},
        )
        for index, frame in enumerate(frames)
    ]
    return real + [
        CheckInput(name, {spec.name: make(spec) for spec in specs}, natural=name in makers)
        for name, make in (makers | extremes).items()
    ]


def _noise(spec: TensorSpec, seed: int, *, scale: float = 1.0) -> NDArray[Any]:
    """Normal noise; whole numbers are drawn from 0 and 1, which any table of indices holds."""
    generator = np.random.default_rng(seed)
    if np.dtype(spec.dtype).kind != "f":
        return generator.integers(0, 2, spec.shape).astype(spec.dtype)
    return (scale * generator.standard_normal(spec.shape)).astype(spec.dtype)


def _waves(spec: TensorSpec, index: int) -> NDArray[Any]:
    """A smooth pattern; the higher the index the finer."""
    grids = np.meshgrid(*[np.linspace(0.3, 3.7 * index, n) for n in spec.shape], indexing="ij")
    phase = sum((axis + 1) * grid for axis, grid in enumerate(grids))
    waves = 2 * np.sin(phase)
    return np.asarray(abs(waves) if np.dtype(spec.dtype).kind == "u" else waves).astype(spec.dtype)
