"""What a check of a graph finds: at which stage, at which node, what was expected there."""

from dataclasses import dataclass
from typing import Literal, get_args

from edgert.errors import VerificationError

Stage = Literal["format", "operators", "shapes", "load", "run", "optimisation", "parent", "cost"]
# In the order in which they run. What an earlier stage refuses, a later one is not asked.
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or with `warning` one that somebody should look at."""

    stage: Stage
    node: str  # "decode.fuse/Conv (Conv)"; empty where it is about the whole graph
    expected: str
    got: str
    advice: str
    warning: bool = False

    def error(self, subject: str) -> VerificationError:
        """The finding as the house's one-line error about `subject`."""
        node = f", node {self.node}" if self.node else ""
        return VerificationError(
            f"{subject}, {self.stage}{node}",
            expected=self.expected,
            got=self.got,
            advice=self.advice,
        )
