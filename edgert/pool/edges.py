"""What every engine of a pool has to take and give, so that a switch changes nothing else."""

from dataclasses import dataclass

from edgert.backends.base import Session
from edgert.errors import ArtifactError
from edgert.records import TensorSpec


@dataclass(frozen=True)
class Edges:
    """The inputs and outputs of the engine that came first."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def of(cls, name: str, session: Session) -> "Edges":
        """Those of an engine that has one input.

        Raises:
            ArtifactError: It has none or several.
        """
        if len(session.inputs) != 1:
            raise ArtifactError(
                f"pool engine {name}",
                expected="one input, the frame",
                got=f"{len(session.inputs)}: {', '.join(spec.name for spec in session.inputs)}",
                advice="Export the model with the frame as its only input",
            )
        return cls(name, session.inputs, session.outputs)

    def refuse_other(self, name: str, session: Session) -> None:
        """Check another engine against them.

        Raises:
            ArtifactError: Its inputs or outputs differ in name, shape or dtype.
        """
        pairs = ((session.inputs, self.inputs), (session.outputs, self.outputs))
        for others, mine in pairs:
            if others != mine:
                raise ArtifactError(
                    f"pool engine {name}",
                    expected=f"{_text(mine)} as {self.name} has",
                    got=_text(others),
                    advice="Build the family again from one base model",
                )


def _text(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {spec.shape}" for spec in specs)
