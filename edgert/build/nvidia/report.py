"""What is found out about a graph by parsing and compiling it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgert.errors import BuildError, EdgertError


@dataclass(frozen=True)
class Refusal:
    """Why a graph can't be compiled: a house error in its parts, and where it arose."""

    stage: Literal["derive", "parse", "compile", "crash"]
    expected: str
    got: str  # with node, operator and NVIDIA's code and words, where it is about a node
    advice: str
    place: str = ""  # where the family asks for it

    @classmethod
    def of(
        cls, stage: Literal["derive", "parse", "compile"], error: EdgertError, *, place: str = ""
    ) -> "Refusal":
        """What an error says."""
        return cls(stage, error.expected, error.got, error.advice, place)

    def error(self, subject: str) -> BuildError:
        """The one line."""
        words = [subject, self.stage, self.place]
        return BuildError(
            ", ".join(filter(None, words)),
            expected=self.expected,
            got=self.got,
            advice=self.advice,
        )


@dataclass(frozen=True)
class Compilation:
    """What TensorRT-RTX made of one graph, or why it did not.

    Attributes:
        refused: None where it was compiled.
        layers: How many layers, by their kind and the type of their first output:
            {"CONVOLUTION": {"HALF": 20}}. Names are NVIDIA's.
        low_precision: Layers that sum or normalise in less than 32 bits, by name, with their
            kind: {"norm1/LayerNormalization": "NORMALIZATION"}. Such sums may overflow.
        warnings: What NVIDIA's code warned of, each once.
        plan_bytes: Size of the plan; it runs nowhere but on an RTX GPU.
    """

    refused: Refusal | None = None
    layers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    low_precision: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    plan_bytes: int = 0
    parse_s: float = 0.0
    compile_s: float = 0.0

    @property
    def layer_count(self) -> int:
        """Layers in all."""
        return sum(sum(types.values()) for types in self.layers.values())

    @property
    def types(self) -> dict[str, int]:
        """How many layers give each type, the commonest first."""
        found: dict[str, int] = {}
        for types in self.layers.values():
            for kind, count in types.items():
                found[kind] = found.get(kind, 0) + count
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
