"""Small graphs written by hand, for the edits of linear maps, and running them."""

from collections.abc import Mapping

import numpy as np
import onnx.parser
import onnx_ir
from numpy.typing import NDArray
from onnx import numpy_helper

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from tests.surgery.sessions import session_of

_HEADER = '<ir_version: 8, opset_import: ["" : {opset}]>'


def graph_from_text(
    text: str,
    weights: Mapping[str, NDArray] | None = None,
    *,
    opset: int = 18,
    in_form: bool = True,
) -> Graph:
    """A graph from onnx.parser text (without the header) and its constants, in edgert's form."""
    model = onnx.parser.parse_model(f"{_HEADER.format(opset=opset)}\n{text}")
    for name, array in (weights or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    graph = Graph(onnx_ir.from_proto(model))
    return normalised(graph) if in_form else graph


def random_weights(shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0) -> dict[str, NDArray]:
    """float32 numbers of each shape; names that start with "var" are positive."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for name, shape in shapes.items():
        array = generator.standard_normal(shape).astype(np.float32)
        arrays[name] = np.abs(array) + np.float32(0.5) if name.startswith("var") else array
    return arrays


def outputs_of(graph: Graph, *, seed: int = 0) -> list[NDArray]:
    """Run a graph on random inputs, without any optimisation by the runtime."""
    session = session_of(graph, threads=1)
    generator = np.random.default_rng(seed)
    feeds = {
        value.name: generator.standard_normal(value.shape).astype(np.float32)
        for value in session.get_inputs()
    }
    return session.run(None, feeds)


def difference(one: Graph, other: Graph, *, seed: int = 0) -> float:
    """Largest difference of the outputs, relative to the largest output of `one`."""
    pairs = zip(outputs_of(one, seed=seed), outputs_of(other, seed=seed), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


def perturbed(graph: Graph, name: str, *, factor: float = 1.01) -> Graph:
    """A copy with one number of a node's constant of two axes or more changed."""
    copy = graph.copy()
    node = copy.node(name)
    for value in node.inputs:
        if value is not None and value.const_value is not None and len(value.shape) > 1:
            array = value.const_value.numpy().copy()
            index = np.unravel_index(np.abs(array).argmax(), array.shape)
            array[index] *= factor
            value.const_value = onnx_ir.tensor(array, name=value.name)
            return copy
    raise ValueError(f"{name} has no weight")


def operators(graph: Graph) -> list[str]:
    """The operator types of a graph, sorted."""
    return sorted(node.op_type for node in graph.nodes)


# A SegFormer-like head: tokens of three resolutions, each through its own linear map, brought to
# the first resolution, joined, fused, normalised, activated and classified.
HEAD_CHANNELS = ((4, 8, 8), (6, 4, 4), (8, 2, 2))
HEAD_WIDTH = 10


def head_graph(*, activation_before_concat: bool = False, seed: int = 0) -> Graph:
    """The head with the node names of a TorchScript export; True: as mmsegmentation builds it."""
    lines, ups, shapes = [], [], {}
    for i, (channels, _, _) in enumerate(HEAD_CHANNELS):
        shapes |= {f"w{i}": (channels, HEAD_WIDTH), f"b{i}": (HEAD_WIDTH,)}
        lines += [
            f'["/head/proj.{i}/Reshape"] r{i} = Reshape(x{i}, flat{i})',
            f'["/head/proj.{i}/Transpose"] t{i} = Transpose<perm=[0,2,1]>(r{i})',
            f'["/head/proj.{i}/MatMul"] m{i} = MatMul(t{i}, w{i})',
            f'["/head/proj.{i}/Add"] a{i} = Add(b{i}, m{i})',
            f'["/head/Transpose_{i}"] u{i} = Transpose<perm=[0,2,1]>(a{i})',
            f'["/head/Reshape_{i}"] v{i} = Reshape(u{i}, image{i})',
            f'["/head/Resize_{i}"] z{i} = Resize<mode="linear">(v{i}, , , size)',
        ]
        if activation_before_concat:
            lines.append(f'["/head/proj.{i}/Relu"] p{i} = Relu(z{i})')
        ups.append(f"p{i}" if activation_before_concat else f"z{i}")
    lines += [
        f'["/head/Concat"] joined = Concat<axis=1>({", ".join(reversed(ups))})',
        '["/head/fuse/Conv"] fused = Conv<kernel_shape=[1,1]>(joined, wf)',
        '["/head/norm/BatchNormalization"] n = BatchNormalization(fused, g, b, mean, var)',
        '["/head/act/Relu"] act = Relu(n)',
        '["/head/classifier/Conv"] y = Conv<kernel_shape=[1,1]>(act, wc, bc)',
    ]
    shapes |= {"wf": (HEAD_WIDTH, 3 * HEAD_WIDTH, 1, 1), "wc": (5, HEAD_WIDTH, 1, 1), "bc": (5,)}
    shapes |= dict.fromkeys(("g", "b", "mean", "var"), (HEAD_WIDTH,))
    weights = random_weights(shapes, seed=seed)
    for i, (channels, height, width) in enumerate(HEAD_CHANNELS):
        weights[f"flat{i}"] = np.array([1, channels, height * width])
        weights[f"image{i}"] = np.array([1, HEAD_WIDTH, height, width])
    _, height, width = HEAD_CHANNELS[0]
    weights["size"] = np.array([1, HEAD_WIDTH, height, width])
    inputs = ", ".join(f"float[1,{c},{h},{w}] x{i}" for i, (c, h, w) in enumerate(HEAD_CHANNELS))
    body = "\n".join(lines)
    return graph_from_text(
        f"head ({inputs}) => (float[1,5,{height},{width}] y) {{\n{body}\n}}", weights
    )
