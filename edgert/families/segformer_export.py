"""From a pretrained SegFormer to its ONNX graph in the papers' names, held against each other.

Owns the call of torch's exporter (the extra `export`). Checkpoints are `segformer_checkpoint`'s,
names `segformer_names`'.
"""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.onnxruntime import reference_session
from edgert.errors import VerificationError
from edgert.families.segformer_checkpoint import Checkpoint
from edgert.families.segformer_names import INPUT_NAME, with_paper_names
from edgert.optional import needs
from edgert.records import InputSpec
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph

Array = NDArray[Any]

LARGEST_DIFFERENCE_RATIO = 1e-5  # of the largest logit; float32 sums taken in another order
OPSETS = range(17, 21)  # below 17 LayerNormalization is no operator; TorchScript ends at 20


def write_graph(checkpoint: Checkpoint, path: Path, *, opset: int) -> None:
    """Export, rename and write base.onnx with base.weights beside it.

    TorchScript's exporter, not dynamo's: it writes opset 17 to 20 without converting, and 416
    nodes instead of 434 for B0 (torch 2.13) because attention needs fewer reshapes.
    """
    torch = needs("torch", "export", "to export the model")

    class Logits(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The model with its logits as the one output."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            return self.model(pixel_values).logits

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing fixed shapes, which is what is wanted here
        exported = Path(folder) / "exported.onnx"
        torch.onnx.export(
            Logits(checkpoint.model).eval(),  # the exporter puts this mode back on all parts
            (torch.zeros(checkpoint.input.shape),),
            str(exported),
            opset_version=opset,
            input_names=[INPUT_NAME],
            dynamo=False,
        )
        graph = with_paper_names(load_graph(exported))
    graph.model.producer_name, graph.model.producer_version = "edgert", None
    graph.model.graph.name = "segformer"
    save_graph(graph, path, weights=f"{path.stem}.weights")


def largest_difference_ratio(
    graph: Path, checkpoint: Checkpoint, inputs: Sequence[Array]
) -> float:
    """Largest |graph - checkpoint| over the largest |logit|, the worst of all inputs.

    Raises:
        VerificationError: It is above 1e-5.
    """
    session = reference_session(graph)
    ratios = []
    for tensor in inputs:
        expected = checkpoint.logits(tensor)
        (got,) = session.run({INPUT_NAME: tensor}).values()
        ratios.append(float(np.abs(got - expected).max() / np.abs(expected).max()))
    session.close()
    worst = float(np.max(ratios))  # NaN where one of them is
    if not worst <= LARGEST_DIFFERENCE_RATIO:
        raise VerificationError(
            f"compare the exported graph with {checkpoint.name}",
            expected=f"logits within {LARGEST_DIFFERENCE_RATIO:.0e} of the largest",
            got=f"{worst:.1e}",
            advice="Nothing was written; try another opset and report this with the checkpoint",
        )
    return worst


def random_inputs(spec: InputSpec) -> list[Array]:
    """Three random inputs, the same for the same shape."""
    random = np.random.default_rng(0)
    return [random.standard_normal(spec.shape, np.float32) for _ in range(3)]
