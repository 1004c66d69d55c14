"""Every configuration of a family, derived and checked without being built.

A configuration that is refused does not stop the others.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgert.artifacts import FamilyFolder
from edgert.build.check import check_graph
from edgert.build.derive import derive_configuration
from edgert.build.family_graphs import FamilyGraphs
from edgert.build.finding import Finding, Stage
from edgert.build.nvidia.report import Compilation, Refusal
from edgert.build.scratch import no_room, scratch_folder
from edgert.build.targets import Target
from edgert.errors import EdgertError
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.load import load_graph

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what comes next

# Those that run nothing.
STATIC: tuple[Stage, ...] = ("format", "operators", "shapes")


class Compiler(Protocol):
    """What graphs are compiled with, as `nvidia.NvidiaCompiler`."""

    def compile(self, graph: Path, name: str) -> Compilation:
        """What comes of a graph, by a name for error lines."""
        ...


@dataclass(frozen=True)
class ConfigurationCheck:
    """What was found of one configuration, or of one file.

    Attributes:
        name: Of the configuration, or of the file.
        underived: Why it can't be derived; nothing else is known then.
        findings: Of the stages that run nothing; the target's refusals are among them.
        compiled: What NVIDIA's code made of it, where that was asked.
    """

    name: str
    underived: Refusal | None = None
    findings: list[Finding] = field(default_factory=list)
    compiled: Compilation | None = None

    @property
    def errors(self) -> list[EdgertError]:
        """All that is wrong, each as one line."""
        found: list[EdgertError] = []
        if self.underived is not None:
            found.append(self.underived.error(self.name))
        found += [finding.error(self.name) for finding in self.findings if not finding.warning]
        if self.compiled is not None and self.compiled.refused is not None:
            found.append(self.compiled.refused.error(self.name))
        return found


def check_family(
    folder: FamilyFolder,
    *,
    target: Target,
    compiler: Compiler | None = None,
    progress: Progress | None = None,
    scratch: Path | None = None,
) -> list[ConfigurationCheck]:
    """Derive every configuration, hold it against a target, and have NVIDIA's code compile it.

    Args:
        folder: The family.
        target: Whose operators and types are asked for.
        compiler: None leaves NVIDIA's code out.
        progress: Called before each step.
        scratch: For derived graphs, one at a time; None: where temporary files go.

    Raises:
        EdgertError: The base graph can't be read, or derived ones can't be written.
    """
    graphs = FamilyGraphs(folder, load_graph(folder.graph_path))
    configurations = folder.family.configurations
    tell = progress or (lambda *_: None)
    found: list[ConfigurationCheck] = []
    with scratch_folder(scratch) as place:
        for index, configuration in enumerate(configurations):
            tell(index, len(configurations), configuration.name)
            asked = f"{folder.path / 'family.yaml'} at configurations[{index}]"
            try:
                graph = derive_configuration(folder, configuration, base=graphs, subject=asked)
            except EdgertError as error:
                refusal = Refusal.of("derive", error, place=error.subject)
                found.append(ConfigurationCheck(configuration.name, underived=refusal))
                continue
            file = _written(graph, place, configuration.name)
            found.append(check_file(file, configuration.name, target=target, compiler=compiler))
    tell(len(configurations), len(configurations), "done")
    return found


def check_file(
    graph: Path, name: str, *, target: Target, compiler: Compiler | None
) -> ConfigurationCheck:
    """The same for one ONNX file.

    A graph that the target refuses is compiled all the same: one says nothing about the other.
    """
    findings = check_graph(graph, target=target, stages=STATIC).findings
    broken = any(finding.stage == "format" and not finding.warning for finding in findings)
    compiled = None if broken or compiler is None else compiler.compile(graph, name)
    return ConfigurationCheck(name, findings=findings, compiled=compiled)


def _written(graph: Graph, folder: Path, name: str) -> Path:
    """The graph as a file; it takes the place of the one before."""
    file = folder / f"{name}.onnx"
    for old in folder.iterdir():
        old.unlink()
    try:
        save_graph(graph, file, weights=f"{name}.weights")
    except OSError as error:
        raise no_room(f"write the derived graph {name}", error) from error
    return file
