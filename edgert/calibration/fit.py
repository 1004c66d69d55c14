"""Compensation: refit what remains so that it hits the values of the full model.

In graph order, each linear map whose input is no longer what it was is fitted by ridge least
squares: input from the edited graph as fitted so far, target from the full model, the old weights
(zeros for a stand-in) as the prior. Errors of one fit are thus seen, and made up for, by the next.

Source: ReplaceMe (arXiv 2505.02819) fits one linear map in the place of skipped blocks, CORP
(arXiv 2602.05243) folds ridge solutions for removed units into what remains. Differs: one pass
over any graph that does both, with every map behind an edit a site of its own.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import write_atomically
from edgert.calibration.activations import Activations
from edgert.calibration.batchnorm import BatchNormSite, batchnorm_sites, measured_statistics
from edgert.calibration.reference import Reference
from edgert.calibration.ridge import Moments, diagonal_ridge, explained_error, ridge
from edgert.calibration.sampling import read_features
from edgert.calibration.sites import (
    ScaleSite,
    Site,
    changed_nodes,
    find_sites,
    scale_sites,
    to_rows,
)
from edgert.errors import PreconditionError
from edgert.surgery.compensate import with_numbers
from edgert.surgery.graph import Graph
from edgert.surgery.refit import set_numbers, takes_bias
from edgert.surgery.resize_input import is_resized

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]
RIDGE_STRENGTH = 1e-3  # of the features' mean variance


@dataclass(frozen=True)
class SiteGain:
    """What one fit did, on the frames it was made on.

    Attributes:
        name: The site's node.
        before: Mean squared error with the prior, as a share of the target's variance.
        after: The same with the fitted numbers.
    """

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Compensation:
    """The fitted numbers of one configuration.

    Attributes:
        graph: The edited graph with the numbers in it.
        tensors: What `edgert.surgery.compensate` writes: "<node name>.<kind>" to numbers.
        sites: What each fit did, in graph order.
    """

    graph: Graph
    tensors: dict[str, Array]
    sites: list[SiteGain]

    def save(self, path: Path) -> None:
        """Write the numbers as a compressed .npz file, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.tensors)  # type: ignore[arg-type]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())


def fit_compensation(
    graph: Graph,
    reference: Reference,
    *,
    threads: int | None = None,
    strength: float = RIDGE_STRENGTH,
    progress: Progress | None = None,
) -> Compensation:
    """Fit all that an edited graph has left to the full model.

    Args:
        graph: Derived from the reference's graph by any edits that keep node names. It stays
            unchanged.
        reference: The full model on the calibration frames.
        threads: That the runtime may use; None: all.
        strength: Of the ridge penalty, against the mean variance of the features; > 0.
        progress: Called before each fit.

    Returns:
        The numbers, and the graph with them; nothing is fitted where nothing was changed.

    Raises:
        PreconditionError: The graph sees its picture at another size than the reference does.
    """
    if is_resized(graph) and not is_resized(reference.graph):
        raise PreconditionError(
            "compensate",
            expected="values of the full model's size",
            got="a graph behind resize_input, whose values have another one",
            advice="Put compensate before resize_input: fitted numbers serve every size",
        )
    fitting = _Pass(graph, reference, threads, strength)
    sites = _ordered(fitting.graph, reference.graph)
    for index, site in enumerate(sites):
        if progress is not None:
            progress(index, len(sites), site.name)
        fitting.visit(site)
    tensors = {key: array.astype(np.float32) for key, array in fitting.tensors.items()}
    fitted = with_numbers(graph, tensors, subject="compensate") if tensors else graph.copy()
    return Compensation(fitted, tensors, fitting.gains)


def _ordered(graph: Graph, reference: Graph) -> list[Any]:
    """Every site, in graph order."""
    changed = changed_nodes(graph, reference)  # compares all weights: once is enough
    linear = find_sites(graph, reference, changed)
    refitted = {site.target for site in linear}
    found: list[Any] = [*linear, *scale_sites(graph, reference)]
    found += batchnorm_sites(graph, changed, refitted)
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    return sorted(found, key=lambda site: place[site.name])


class _Pass:
    """One pass over a copy of the edited graph; each visit makes a site's numbers final."""

    def __init__(
        self, graph: Graph, reference: Reference, threads: int | None, strength: float
    ) -> None:
        self.graph = graph.copy()
        self.tensors: dict[str, Array] = {}
        self.gains: list[SiteGain] = []
        self._reference, self._strength = reference, strength
        self._activations = Activations(self.graph, reference.frames, threads=threads)

    def visit(self, site: Site | ScaleSite | BatchNormSite) -> None:
        """Fit a site, and write its numbers into the graph."""
        if isinstance(site, BatchNormSite):
            self._activations.compute([site.data])
            values = self._activations[site.data]
            self.tensors.update(measured_statistics(self.graph, site, values))
        elif isinstance(site, ScaleSite):
            self.gains.append(self._fit_scale(site))
        else:
            self.gains.append(self._fit_linear(site))

    def _fit_linear(self, site: Site) -> SiteGain:
        old, free_bias = site.linear.weight, takes_bias(site.linear)
        prior = old.reshape(len(old), -1).astype(np.float64)
        self._activations.compute([site.linear.data, *site.others])
        moments = Moments(prior.shape[1], len(old))
        order = site.map_rows()
        for frame, positions, target in self._targets(site):
            data = self._activations[site.linear.data][frame]
            moments.add(read_features(site.linear, data, order[positions]), target)
        weight, bias = ridge(moments, prior, strength=self._strength, free_bias=free_bias)
        self.tensors[f"{site.name}.weight"] = weight.reshape(old.shape)
        if free_bias:
            self.tensors[f"{site.name}.bias"] = bias
        set_numbers(
            self.graph, site.linear, weight.reshape(old.shape), bias if free_bias else None
        )
        return SiteGain(
            site.name,
            before=explained_error(moments, prior, free_bias=free_bias),
            after=explained_error(moments, weight, free_bias=free_bias),
        )

    def _fit_scale(self, site: ScaleSite) -> SiteGain:
        self._activations.compute([site.data, *site.others])
        samples = [
            (to_rows(self._activations[site.data][frame], site.axis)[positions], target)
            for frame, positions, target in self._targets(site)
        ]
        x, y = (np.concatenate(part).astype(np.float64) for part in zip(*samples, strict=True))
        factor, shift, after = diagonal_ridge(x, y, strength=self._strength)
        self.tensors[f"{site.name}.factor"] = factor
        self.tensors[f"{site.name}.shift"] = shift
        site.write(self.graph, factor, shift)
        return SiteGain(site.name, before=1.0, after=after)

    def _targets(self, site: Site | ScaleSite) -> Iterator[tuple[int, Array, Array]]:
        """Frame, sampled positions, and what the site has to give there."""
        rows = self._reference.rows(site.reference, site.axis)
        for frame in range(len(self._reference.frames)):
            positions = self._reference.positions(frame, site.reference, site.axis)
            target = np.asarray(rows[frame], dtype=np.float32)
            if site.kept is not None:
                target = target[:, site.kept]
            for other in site.others:
                added = to_rows(self._activations[other][frame], site.axis)
                target = target - added[positions]
            yield frame, positions, target
