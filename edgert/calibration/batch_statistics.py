"""Statistics of one batch of pictures in front of every BatchNormalization of a graph.

While measuring, every normalisation works with its own batch's mean and variance, so that what
comes after it is measured as it will be. A graph whose nodes take several pictures at once is
rewritten to do all of that in one run; another one runs picture by picture, layer after layer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.activations import Activations
from edgert.calibration.batchnorm import BatchNormSite, measured_statistics
from edgert.errors import BackendError, CalibrationError
from edgert.surgery.batchnorm import is_batchnorm
from edgert.surgery.graph import Graph, add_initializer, attribute, constant_array, static_shape
from edgert.surgery.rewire import GraphNames, new_node, replace_value
from edgert.surgery.segment import nodes_between, segment_bytes

Array = NDArray[Any]
_AXES_ARE_AN_INPUT = 18  # ReduceMean's opset
_FLOAT32 = 1  # onnx.TensorProto.FLOAT
# Where an operator reads the shape of its result.
_TARGETS = {"Reshape": 1, "Expand": 1, "Resize": 3}
_SAME = 1e-3  # of the largest number: what another order of sums explains


class BatchStatistics:
    """Measures batches, as many as are asked for, of any sizes.

    Args:
        graph: One input, batch 1, static shapes.
        threads: That the runtime may use; None: all.
    """

    def __init__(self, graph: Graph, *, threads: int | None = None) -> None:
        self._graph, self._threads = graph, threads
        self._sessions: dict[int, tuple[Session, dict[str, str]]] = {}
        self._takes_batches: bool | None = None  # not known before the first batch

    def __call__(self, frames: Sequence[Array]) -> dict[str, Array]:
        """Mean and biased variance of each channel, by "<node name>.mean" and ".var", float64.

        Args:
            frames: The model's input for each picture of the batch.

        Raises:
            CalibrationError: The runtime can't run as many at once.
        """
        several = len(frames) > 1
        if several and self._takes_batches is None:
            self._takes_batches = takes_batches(self._graph, threads=self._threads)
        try:
            if several and not self._takes_batches:
                return self._by_layers(frames)
            return self._in_one_run(frames)
        except BackendError as error:
            raise CalibrationError(
                f"measure BatchNorm statistics on {len(frames)} pictures at once",
                expected=error.expected,
                got=error.got,
                advice="Name a smaller batch",
            ) from error

    def _in_one_run(self, frames: Sequence[Array]) -> dict[str, Array]:
        if len(frames) not in self._sessions:
            self._sessions[len(frames)] = _session(self._graph, len(frames), self._threads)
        session, values = self._sessions[len(frames)]
        [source] = session.inputs
        results = session.run({source.name: np.concatenate(frames)})
        return {key: results[name].reshape(-1).astype(float) for key, name in values.items()}

    def _by_layers(self, frames: Sequence[Array]) -> dict[str, Array]:
        working = self._graph.copy()
        activations = Activations(working, frames, threads=self._threads)
        measured: dict[str, Array] = {}
        for node in working.nodes:
            if is_batchnorm(node):
                site = BatchNormSite(node)
                activations.compute([site.data])
                measured.update(measured_statistics(working, site, activations[site.data]))
        return measured


def takes_batches(graph: Graph, *, threads: int | None = None) -> bool:
    """Whether a graph made for one picture computes the same for several at once.

    Found out by running it on noise: with the batch in its input and in its shapes, what reaches
    the normalisations has to be what reaches them picture by picture.

    Args:
        graph: One input, batch 1, static shapes.
        threads: That the runtime may use.
    """
    [source] = graph.inputs
    noise = np.random.default_rng(0).standard_normal((2, *(static_shape(source) or ())))
    pair = list(noise.astype(source.dtype.numpy()))
    alone = _normalised_values(graph, 1, pair, threads)
    try:
        [together] = _normalised_values(graph, 2, [np.concatenate(pair)], threads)
    except BackendError:
        return False
    return all(
        _is_same(whole, np.concatenate(parts))
        for whole, *parts in zip(together, *alone, strict=True)
    )


def _normalised_values(
    graph: Graph, batch: int, inputs: Sequence[Array], threads: int | None
) -> list[list[Array]]:
    """For each input of `batch` pictures, what reaches each normalisation."""
    working = _with_batch(graph, batch)
    sites = [node.inputs[0] for node in working.nodes if is_batchnorm(node)]
    [source] = working.inputs
    values = [value for value in dict.fromkeys(sites) if value is not source]
    if not values:  # nothing but the input itself is normalised
        return [[] for _ in inputs]
    for value in values:
        _set_shape(value, _batch_shape(value, batch))
    nodes = nodes_between(working, values, [source])
    model = segment_bytes(working, nodes, inputs=[source], outputs=values)
    session = session_from_bytes(model, threads=threads)
    runs = [session.run({source.name: array}) for array in inputs]
    session.close()
    return [[results[value.name] for value in values] for results in runs]


def _is_same(first: Array, second: Array) -> bool:
    if first.shape != second.shape:
        return False
    bound = _SAME * float(np.abs(second).max(initial=0))
    return bool(np.abs(first.astype(float) - second).max(initial=0) <= bound)


def _session(graph: Graph, batch: int, threads: int | None) -> tuple[Session, dict[str, str]]:
    """The graph with statistics as outputs, and the outputs' names by key."""
    working = _with_batch(graph, batch)
    names, wanted = GraphNames(working), {}
    for node in working.nodes:
        if is_batchnorm(node):
            mean, variance = _normalise_by_batch(working, node, batch, names)
            wanted[f"{node.name}.mean"], wanted[f"{node.name}.var"] = mean, variance
    [source] = working.inputs
    nodes = nodes_between(working, wanted.values(), [source])
    model = segment_bytes(working, nodes, inputs=[source], outputs=list(wanted.values()))
    session = session_from_bytes(model, threads=threads)
    return session, {key: value.name for key, value in wanted.items()}


def _with_batch(graph: Graph, batch: int) -> Graph:
    """A copy that takes `batch` pictures, and says so wherever it states a leading 1."""
    working = graph.copy()
    for node in working.nodes:
        index = _TARGETS.get(node.op_type, len(node.inputs))
        target = constant_array(node.inputs[index]) if index < len(node.inputs) else None
        if target is not None and target.size and target[0] == 1:
            sizes = np.concatenate([[batch], target[1:]]).astype(target.dtype)
            fresh = add_initializer(working, f"{node.name}.batch", sizes)
            node.replace_input_with(index, fresh)
    [source] = working.inputs
    _set_shape(source, _batch_shape(source, batch))
    return working


def _batch_shape(value: Any, batch: int) -> tuple[int, ...]:
    first, *rest = static_shape(value) or (1,)
    return (first * batch, *rest)


def _set_shape(value: Any, shape: Sequence[int]) -> None:
    value.shape = type(value.shape)(shape)


def _normalise_by_batch(graph: Graph, node: Any, batch: int, names: GraphNames) -> tuple[Any, Any]:
    """Replace a BatchNormalization by nodes that use the batch's own mean and variance.

    Two passes, mean first, then the mean of squared differences, each over the places of a
    picture and then over pictures: sums in float32 stay short.
    """
    shape = _batch_shape(node.inputs[0], batch)
    channels = (1, shape[1], *(1 for _ in shape[2:]))

    def add(op: str, *inputs: Any, into: Sequence[int] = shape, **attributes: Any) -> Any:
        return new_node(
            graph, op, inputs, name=f"{node.name}.{op}", shape=into, before=node,
            attributes=attributes, names=names,
        )  # fmt: skip

    def mean_of(value: Any) -> Any:
        if len(shape) > 2:
            places = tuple(range(2, len(shape)))
            value = _reduced(graph, add, value, places, (*shape[:2], *channels[2:]))
        return _reduced(graph, add, value, (0,), channels)

    def vector(index: int) -> Any:
        numbers = node.inputs[index].const_value.numpy().astype(np.float32).reshape(channels)
        return add_initializer(graph, f"{node.name}.{index}.batch", numbers)

    data = _cast(add, node.inputs[0], _FLOAT32)
    mean = mean_of(data)
    centred = add("Sub", data, mean)
    variance = mean_of(add("Mul", centred, centred))
    epsilon = np.float32(attribute(node, "epsilon", 1e-5)).reshape(())
    floor = add_initializer(graph, f"{node.name}.epsilon", np.asarray(epsilon))
    deviation = add("Sqrt", add("Add", variance, floor, into=channels), into=channels)
    factor = add("Div", vector(1), deviation, into=channels)
    result = add("Add", add("Mul", centred, factor), vector(2))
    replace_value(node.outputs[0], _cast(add, result, int(node.inputs[0].dtype)))
    return mean, variance


def _reduced(
    graph: Graph, add: Any, value: Any, axes: tuple[int, ...], into: Sequence[int]
) -> Any:
    """The mean over some axes, which stay with size 1."""
    imports = graph.model.opset_imports
    if (imports.get("") or imports.get("ai.onnx") or 0) < _AXES_ARE_AN_INPUT:
        return add("ReduceMean", value, into=into, axes=list(axes), keepdims=1)
    given = add_initializer(graph, f"{value.name}.axes", np.array(axes, np.int64))
    return add("ReduceMean", value, given, into=into, keepdims=1)


def _cast(add: Any, value: Any, dtype: int) -> Any:
    """The value in another type; new nodes take their first input's, so it is set here."""
    if int(value.dtype) == dtype:
        return value
    result = add("Cast", value, to=dtype)
    result.type = type(value.type)(type(value.dtype)(dtype))
    return result
