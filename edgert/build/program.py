"""A graph to be run as it lies there, whole or in parts, with and without optimisation.

Works on the file's own nodes and names, not on edgert's form of them: what is checked is what the
runtime will read. Weights outside the file stay there.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.backends.base import Session
from edgert.backends.onnxruntime import graph_session
from edgert.optional import needs
from edgert.surgery.model_file import read_model
from edgert.surgery.model_names import subgraphs

_SMALL_ELEMENTS = 64  # more sizes, axes or pads than a tensor has
_UNKNOWN_BYTES = 1 << 20  # of a value whose shape inference did not find: a guess for chunks


@dataclass(frozen=True, eq=False)
class Program:
    """A model, its name in errors, and the folder of its weights."""

    model: Any  # onnx.ModelProto, weights outside it not read; never changed
    name: str
    folder: Path

    @functools.cached_property
    def nodes(self) -> Sequence[Any]:
        """The nodes in their order, each with a name."""
        return tuple(self.model.graph.node)

    @functools.cached_property
    def positions(self) -> dict[str, int]:
        """Of every value that a node computes: which one."""
        return {name: i for i, node in enumerate(self.nodes) for name in node.output if name}

    @property
    def outputs(self) -> list[str]:
        """Names of the graph's outputs."""
        return [value.name for value in self.model.graph.output]

    def producer(self, value: str) -> str:
        """The node that computes a value, as findings name it; empty for inputs and weights."""
        position = self.positions.get(value)
        return "" if position is None else label(self.nodes[position])

    def session(self, *, optimised: bool = False) -> Session:
        """The program, loaded.

        Raises:
            EngineLoadError: The runtime can't run it.
        """
        return graph_session(
            self.model.SerializeToString(), self.folder, name=self.name, optimised=optimised
        )

    def part(self, outputs: Sequence[str]) -> "Program":
        """The nodes that these values need, with these values as the only outputs."""
        onnx = needs("onnx", "build", "to cut graphs")
        graph = self.model.graph
        wanted, keep = set(outputs), []
        for node in reversed(self.nodes):
            if any(name in wanted for name in node.output):
                keep.append(node)
                wanted.update(reads(node))
        cut = self._empty()
        cut.graph.node.extend(reversed(keep))
        cut.graph.input.extend(graph.input)  # all of them: every part takes the same feeds
        cut.graph.initializer.extend(t for t in graph.initializer if t.name in wanted)
        declared = {value.name: value for value in graph.output}
        for name in outputs:
            cut.graph.output.append(declared.get(name) or onnx.ValueInfoProto(name=name))
        return Program(cut, self.name, self.folder)

    def live_after(self, count: int) -> list[str]:
        """What the first `count` nodes compute that the rest or the caller reads."""
        rest = {name for node in self.nodes[count:] for name in reads(node)}
        rest.update(self.outputs)
        return [n for node in self.nodes[:count] for n in node.output if n and n in rest]

    def chunks(self, values: Iterable[str], *, most: int, most_bytes: int) -> Iterator[list[str]]:
        """Values in groups that can be held at once, in their order."""
        group: list[str] = []
        total = 0
        for name in values:
            size = self._bytes_of(name)
            if group and (len(group) >= most or total + size > most_bytes):
                yield group
                group, total = [], 0
            group.append(name)
            total += size
        if group:
            yield group

    def sequence_to(self, value: str, *, length: int = 3) -> str:
        """Operators one after the other that end at a value: "Mul > Add > Relu"."""
        chain: list[str] = []
        position = self.positions.get(value)
        while position is not None and len(chain) < length:
            node = self.nodes[position]
            chain.append(node.op_type)
            earlier = [self.positions[name] for name in node.input if name in self.positions]
            position = max(earlier, default=None)
        return " > ".join(reversed(chain))

    @functools.cached_property
    def outline(self) -> Any:
        """The model with small weights only, for shape inference. Change only a copy.

        Of large ones type and sizes are left; small ones are targets of Reshape and the like.
        """
        onnx = needs("onnx", "build", "to infer shapes")
        graph = self.model.graph
        outline = self._empty()
        outline.graph.node.extend(graph.node)
        outline.graph.input.extend(graph.input)
        outline.graph.output.extend(graph.output)
        outline.graph.value_info.extend(graph.value_info)
        outline.graph.initializer.extend(
            tensor
            if _is_small(tensor)
            else onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            for tensor in graph.initializer
        )
        return outline

    def _empty(self) -> Any:
        """A model with this one's versions and functions, and a graph without anything."""
        onnx = needs("onnx", "build", "to cut graphs")
        empty = onnx.ModelProto(
            ir_version=self.model.ir_version,
            opset_import=self.model.opset_import,
            functions=self.model.functions,
        )
        empty.graph.name = self.model.graph.name or "graph"
        return empty

    @functools.cached_property
    def value_types(self) -> dict[str, Any]:
        """What is known of values as onnx.TypeProto, without believing what is declared inside.

        Where types contradict each other only those of inputs are known.
        """
        onnx = needs("onnx", "build", "to infer types")
        infer = needs("onnx.shape_inference", "build", "to infer types")
        bare = onnx.ModelProto()
        bare.CopyFrom(self.outline)
        del bare.graph.value_info[:]
        try:
            graph = infer.infer_shapes(bare, data_prop=True).graph
        except infer.InferenceError:  # the stage that looks at shapes says why
            graph = bare.graph
        return {v.name: v.type for v in (*graph.input, *graph.value_info, *graph.output)}

    def _bytes_of(self, value: str) -> int:
        if value not in self.value_types:
            return _UNKNOWN_BYTES
        dims = self.value_types[value].tensor_type.shape.dim
        elements: int = math.prod(dim.dim_value for dim in dims)
        return 4 * elements


def read_program(path: Path) -> Program:
    """The program in a file; nodes without a name get one, small weights are read.

    Neither ONNX's shape inference nor onnxruntime, given a model that is no file, looks for the
    target of a Reshape outside it.

    Raises:
        ArtifactError: The file is no readable model.
    """
    model = read_model(path)
    helper = needs("onnx.external_data_helper", "build", "to read ONNX graphs")
    for tensor in model.graph.initializer:
        if tensor.external_data and _is_small(tensor):
            helper.load_external_data_for_tensor(tensor, str(path.parent))
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}#{index}"
    return Program(model, path.name, path.parent)


def _is_small(tensor: Any) -> bool:
    elements: int = math.prod(tensor.dims)
    return elements <= _SMALL_ELEMENTS


def label(node: Any) -> str:
    """How findings name a node: its name and its operator."""
    return f"{node.name} ({node.op_type})"


def reads(node: Any) -> Iterator[str]:
    """Names that a node reads, those that its subgraphs take from outside among them."""
    yield from filter(None, node.input)
    for inner in subgraphs(node):
        yield from (value.name for value in inner.output)
        for each in inner.node:
            yield from reads(each)
