"""The graphs that a family's configurations start from: its base model, and scaled versions of it.

All take the family's input and give its outputs, so that their engines can take turns.
"""

from functools import cached_property
from pathlib import Path

from edgert.artifacts import FamilyFolder
from edgert.build.check import static_model
from edgert.errors import ArtifactError, SurgeryError
from edgert.records import Configuration, ScaledModel, TensorSpec
from edgert.surgery.adapt_edges import adapt_edges
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.load import load_graph

_RANKS = {"classification": 2, "segmentation": 4}  # of what a model gives, classes second


class FamilyGraphs:
    """A family's models as graphs, each read once and when it is first asked for.

    Args:
        folder: The family.
        base: Its base graph, where it is at hand.
    """

    def __init__(self, folder: FamilyFolder, base: Graph | None = None) -> None:
        self._folder = folder
        self._base = base
        self._graphs: dict[str, Graph] = {}
        self._as_exported: set[str] = set()  # models whose file has the family's edges already
        self._files: dict[tuple[str, Path], Path] = {}

    @cached_property
    def base(self) -> Graph:
        """The base model's graph, which has the family's input and outputs by itself.

        Raises:
            EdgertError: As `load_graph`.
            ArtifactError: family.yaml says another input, or other classes.
        """
        graph = self._base or load_graph(self._folder.graph_path)
        check_base(self._folder, graph)
        return graph

    def of(self, configuration: Configuration) -> Graph:
        """The graph of a configuration's model, with the family's input and outputs.

        Raises:
            EdgertError: As `load_graph`.
            SurgeryError: The model can't be given them, as where it has other classes.
        """
        model = self._folder.model_of(configuration)
        if not isinstance(model, ScaledModel):
            return self.base
        if model.name not in self._graphs:
            self._graphs[model.name] = self._adapted(model)
        return self._graphs[model.name]

    def file_of(self, configuration: Configuration, scratch: Path) -> Path:
        """The same graph as a file: the model's own where that has the family's edges.

        Args:
            configuration: One of the family's.
            scratch: A folder that takes what has to be written, under names of models.

        Raises:
            EdgertError: As `of`.
        """
        key = (configuration.model, scratch)
        if key not in self._files:
            self._files[key] = self._written(configuration, scratch)
        return self._files[key]

    def _written(self, configuration: Configuration, scratch: Path) -> Path:
        model = self._folder.model_of(configuration)
        graph = self.of(configuration)
        if not isinstance(model, ScaledModel) or model.name in self._as_exported:
            return static_model(self._folder.graph_path_of(model), scratch)
        file = scratch / f"{model.name}.adapted.onnx"
        save_graph(graph, file, weights=f"{file.stem}.weights")
        return file

    def _adapted(self, model: ScaledModel) -> Graph:
        graph = load_graph(self._folder.graph_path_of(model))
        try:
            adapted = adapt_edges(
                graph,
                family=self._folder.family.input,
                own=model.input,
                outputs=edge_specs(self.base)[1],
            )
        except SurgeryError as error:
            raise type(error)(
                f"read {self._folder.graph_path_of(model)} as model {model.name} of the family: "
                f"{error.subject}",
                expected=error.expected,
                got=error.got,
                advice=error.advice,
            ) from error
        if adapted is graph:
            self._as_exported.add(model.name)
        return adapted


def check_base(folder: FamilyFolder, graph: Graph) -> None:
    """Hold what family.yaml says of input, task and labels against the base graph.

    A graph whose outputs are of neither task is let be: what it answers is nobody's to judge.

    Raises:
        ArtifactError: The input has another name or shape, the output is of the other task, or
            there is another number of labels than the graph has classes.
    """
    inputs, outputs = edge_specs(graph)
    spec, labels = folder.family.input, len(folder.family.labels)
    if len(inputs) == 1 and (inputs[0].name, inputs[0].shape) != (spec.name, spec.shape):
        raise ArtifactError(
            f"read {folder.graph_path}",
            expected=f"the input {spec.name} {spec.shape} that family.yaml states",
            got=f"{inputs[0].name} {inputs[0].shape}",
            advice="Correct the input's name and shape in family.yaml",
        )
    shape = outputs[0].shape if len(outputs) == 1 else ()
    told = next((task for task, rank in _RANKS.items() if rank == len(shape)), None)
    if told is None:
        return
    if told != folder.family.task:
        raise ArtifactError(
            f"read {folder.graph_path}",
            expected=f"an output of {_RANKS[folder.family.task]} dimensions, as family.yaml says "
            f"that the task is {folder.family.task}",
            got=f"{outputs[0].name} {shape}",
            advice=f"Write `task: {told}` in family.yaml, or give the graph of that task",
        )
    if shape[1] != labels:
        raise ArtifactError(
            f"read {folder.graph_path}",
            expected=f"{labels} classes, as family.yaml has labels",
            got=f"{shape[1]}",
            advice="Give each class its label in family.yaml, in the model's order",
        )


def edge_specs(graph: Graph) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """A graph's inputs and outputs, static shapes all."""

    def specs(values: object) -> list[TensorSpec]:
        return [
            TensorSpec(name=v.name, shape=tuple(v.shape), dtype=str(v.dtype.numpy()))
            for v in values  # type: ignore[attr-defined]
        ]

    return specs(graph.inputs), specs(graph.outputs)
