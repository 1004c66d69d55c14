"""Branches and costs found on an export, against the torch model that it was made from.

The names of branches are paths of modules. Without a branch the graph has to compute what torch
does when that module gives zeros, and its multiply-accumulates are those that torch counts.
"""

import numpy as np
import pytest

from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.surgery.graphs_residual import outputs_of

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402 - after the skip

TOLERANCE = 2e-5  # of the largest output
TELLING = 20


def vit(**options):
    config = transformers.ViTConfig(
        hidden_size=32, num_attention_heads=4, intermediate_size=64, num_hidden_layers=3,
        image_size=32, patch_size=8, num_labels=7, **options,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config), ("logits",), (1, 3, 32, 32), 6


def swin(**options):
    config = transformers.SwinConfig(
        embed_dim=16, depths=[2, 2], num_heads=[2, 4], image_size=64, window_size=4,
        num_labels=7, **options,
    )  # fmt: skip
    return transformers.SwinForImageClassification(config), ("logits",), (1, 3, 64, 64), 8


def resnet(**options):
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[32, 64], depths=[2, 2], num_labels=7, **options
    )
    return transformers.ResNetForImageClassification(config), ("logits",), (1, 3, 64, 64), 4


def detr(**options):
    config = transformers.DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, d_model=32,
        backbone_config=transformers.ResNetConfig(
            embedding_size=16, hidden_sizes=[32, 64], depths=[1, 1], out_features=["stage2"]
        ),
        encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=10,
        **options,
    )  # fmt: skip
    # 2 backbone, 2 x 2 encoder, 2 x 3 decoder without the first attention among constant queries
    model = transformers.DetrForObjectDetection(config)
    return model, ("logits", "pred_boxes"), (1, 3, 64, 64), 11


class Outputs(torch.nn.Module):
    def __init__(self, model, names):
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, pixel_values):
        result = self.model(pixel_values)
        return tuple(getattr(result, name) for name in self.names)


def randomised(model):
    """Biases and scales of its own for each module, as training gives them."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return model.eval()


def exported(model, names, frame, folder, *, dynamo, opset) -> Graph:
    path = folder / "model.onnx"
    options = {"external_data": False} if dynamo else {}
    torch.onnx.export(
        model, (frame,), str(path), opset_version=opset, dynamo=dynamo, verbose=False,
        input_names=["pixel_values"], output_names=list(names), **options,
    )  # fmt: skip
    return load_graph(path)


def macs_of_torch(model, frame) -> int:
    """Its counter knows matrix products and convolutions, as two operations for each MAC."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(frame)
    return counter.get_total_flops() // 2


def without(model, module, frame):
    """What torch computes while one module gives zeros."""

    def zeros(_module, _inputs, output):
        if isinstance(output, tuple):
            return (torch.zeros_like(output[0]), *output[1:])
        return torch.zeros_like(output)

    hook = module.register_forward_hook(zeros)
    with torch.no_grad():
        outputs = model(frame)
    hook.remove()
    return [output.numpy() for output in outputs]


@pytest.mark.filterwarnings("ignore")  # what torch says while it exports is not ours
@pytest.mark.parametrize(
    ("dynamo", "opset"), [(True, 18), (True, 20), (False, 13), (False, 17), (False, 20)]
)
@pytest.mark.parametrize("make", [vit, swin, resnet, detr])
def test_branches_are_the_models_own(make, dynamo, opset, tmp_path):
    model, names, shape, count = make(attn_implementation="eager")
    model = Outputs(randomised(model), names).eval()
    frame = torch.randn(*shape, generator=torch.Generator().manual_seed(5))
    graph = exported(model, names, frame, tmp_path, dynamo=dynamo, opset=opset)
    branches = find_residual_branches(graph)
    assert len(branches) == count
    feeds = {"pixel_values": frame.numpy()}
    with torch.no_grad():
        whole = [output.numpy() for output in model(frame)]
    modules = {
        name.removeprefix("model.").removeprefix("model."): module
        for name, module in model.named_modules()
    }
    for branch in branches:
        expected = without(model, modules[branch.name], frame)
        outputs = outputs_of(skip_residuals(graph, branches=[branch.name]), feeds)
        for one, other, full in zip(outputs, expected, whole, strict=True):
            wrong, changed = (np.abs(x - one).max() / np.abs(full).max() for x in (other, full))
            assert wrong < min(TOLERANCE, changed / TELLING), branch.name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("make", [vit, swin, resnet])
def test_costs_are_those_that_torch_counts(make, dynamo, tmp_path):
    model, names, shape, _ = make(attn_implementation="eager")
    model = Outputs(randomised(model), names).eval()
    frame = torch.zeros(*shape)
    graph = exported(model, names, frame, tmp_path, dynamo=dynamo, opset=18)
    cost = cost_of(graph)
    assert cost.macs == macs_of_torch(model, frame)
    assert cost.unknown_operators == []
