"""A resized export against torch's own export at the other size: equal, or refused."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.load import load_graph
from edgert.surgery.resize_input import resize_input
from tests.surgery.graphs_residual import outputs_of
from tests.surgery.graphs_sized import bilinear

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.export.test_any_graph_export import Outputs, exported, randomised  # noqa: E402
from tools.export_segformer import main as export_segformer  # noqa: E402

TOLERANCE = 2e-5  # of the largest output
PROJECT = Path(__file__).resolve().parents[2]


def segformer():
    config = transformers.SegformerConfig(
        depths=[1, 2, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=20, num_labels=7,
    )  # fmt: skip
    return transformers.SegformerForSemanticSegmentation(config)


def resnet():
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[32, 64], depths=[2, 2], num_labels=7
    )
    return transformers.ResNetForImageClassification(config)


def mobilenet():
    # TensorFlow's padding follows the size of the picture; in a graph it is a number
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, num_labels=7, tf_padding=False)
    return transformers.MobileNetV2ForImageClassification(config)


def deeplab():
    """A mean over all places, brought back to the map's size, and dilated convolutions."""
    config = transformers.MobileNetV2Config(
        depth_multiplier=0.25, output_stride=8, num_labels=7, tf_padding=False
    )
    return transformers.MobileNetV2ForSemanticSegmentation(config)


def upernet():
    """ConvNeXt with a pyramid of means of 1, 2, 3 and 6 bins, of a size that is written down."""
    backbone = transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 2, 1],
        out_features=[f"stage{i}" for i in (1, 2, 3, 4)],
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=16, num_labels=7, use_auxiliary_head=False
    )
    return transformers.UperNetForSemanticSegmentation(config)


def poolformer():
    config = transformers.PoolFormerConfig(
        depths=[1, 1, 2, 1], hidden_sizes=[8, 16, 24, 32], num_labels=7
    )
    return transformers.PoolFormerForImageClassification(config)


def pvt():
    """SegFormer-like, with learned positions that are interpolated while it is traced."""
    config = transformers.PvtV2Config(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], num_attention_heads=[1, 2, 3, 4],
        num_labels=7,
    )  # fmt: skip
    return transformers.PvtV2ForImageClassification(config)


def mobilevit():
    """Patches of 2 x 2 unfolded: rows are cut into parts."""
    config = transformers.MobileViTV2Config(width_multiplier=0.25, num_labels=7)
    return transformers.MobileViTV2ForImageClassification(config)


def vit():
    config = transformers.ViTConfig(
        hidden_size=32, num_attention_heads=4, intermediate_size=64, num_hidden_layers=2,
        image_size=(96, 128), patch_size=16, num_labels=7,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


def swin():
    config = transformers.SwinConfig(
        embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=7,
        attn_implementation="eager",
    )  # fmt: skip
    return transformers.SwinForImageClassification(config)


def glpn():
    config = transformers.GLPNConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=16,
    )  # fmt: skip
    return transformers.GLPNForDepthEstimation(config)


EXACT = [segformer, resnet, mobilenet, deeplab, poolformer, pvt, glpn]
# With the exporter, as not each of them exports each model.
REFUSED = [(vit, True), (vit, False), (swin, True), (swin, False)]
EITHER = [(upernet, True), (mobilevit, True)]
OLD = (96, 128)


def small_picture(resized, x):
    """What the network inside is given."""
    graph = resized.copy()
    entry = [n for n in graph.nodes if n.name.startswith("resize_input/")]
    used = [n for n in entry if n.op_type in ("Resize", "AveragePool")]
    first = used[1] if len(used) > 1 and used[1].inputs[0].producer() is used[0] else used[0]
    graph.model.graph.outputs.append(first.outputs[0])
    return outputs_of(graph, {graph.inputs[0].name: x})[-1]


def compare(make, new, folder, *, dynamo):
    """Largest difference of the resized export and the export at the other size."""
    model = make()
    name = "predicted_depth" if make is glpn else "logits"
    model = Outputs(randomised(model), (name,)).eval()

    def export(size):
        place = folder / f"{size[0]}"
        place.mkdir()
        frame = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
        return exported(model, (name,), frame, place, dynamo=dynamo, opset=18)

    graph = export(OLD)
    resized = resize_input(graph, height=new[0], width=new[1])
    x = np.random.default_rng(0).standard_normal((1, 3, *OLD), dtype=np.float32)
    small = small_picture(resized, x)
    assert small.shape == (1, 3, *new)
    [expected] = outputs_of(export(new), {graph.inputs[0].name: small})
    [found] = outputs_of(resized, {graph.inputs[0].name: x})
    assert found.shape == static_shape(graph.outputs[0])
    if found.ndim > 2:
        expected = bilinear(expected, *found.shape[-2:])
    [wrong] = outputs_of(graph, {graph.inputs[0].name: x})
    scale = np.abs(expected).max()
    assert np.abs(found - wrong).max() > 100 * TOLERANCE * scale
    return np.abs(found - expected).max() / scale


@pytest.mark.filterwarnings("ignore")  # what torch says while it exports is not ours
@pytest.mark.parametrize(
    ("new", "dynamo"), [((75, 100), True), ((75, 100), False), ((120, 152), False)]
)
@pytest.mark.parametrize("make", EXACT)
def test_it_is_the_export_at_the_other_size(make, new, dynamo, tmp_path):
    if make is glpn:  # doubles its maps: they meet at multiples of 32 only
        new = (64, 96)
    assert compare(make, new, tmp_path, dynamo=dynamo) < TOLERANCE


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("make", "dynamo"), REFUSED + EITHER)
def test_it_is_exact_or_refuses_in_one_line(make, dynamo, tmp_path):
    try:
        difference = compare(make, (64, 96), tmp_path, dynamo=dynamo)
    except PreconditionError as error:
        message = str(error)
    else:
        assert (make, dynamo) in EITHER
        assert difference < TOLERANCE
        return
    assert "\n" not in message
    assert "a network that works at this size too" in message


def with_weights(path):
    """A graph with its weights in memory, as tests run it."""
    return Graph(ir.external_data.load_to_model(load_graph(path).model))


@pytest.mark.parametrize("new", [(270, 360), (180, 240), (200, 300)])
def test_the_bundled_models_checkpoint_at_another_size(new, tmp_path):
    checkpoint = PROJECT.parent / "shared" / "checkpoints" / "segformer-b0-camvid"
    if not checkpoint.is_dir():
        pytest.skip("the checkpoint is not here (shared/checkpoints beside the project)")
    folder = tmp_path / "other"
    words = [str(checkpoint), "-o", str(folder)]
    assert export_segformer([*words, "--height", str(new[0]), "--width", str(new[1])]) == 0
    graph = with_weights(PROJECT / "engines" / "segformer-b0-camvid" / "base.onnx")
    resized = resize_input(graph, height=new[0], width=new[1])
    x = np.random.default_rng(0).standard_normal((1, 3, 360, 480), dtype=np.float32)
    small = small_picture(resized, x)
    [expected] = outputs_of(with_weights(folder / "base.onnx"), {graph.inputs[0].name: small})
    [found] = outputs_of(resized, {graph.inputs[0].name: x})
    expected = bilinear(expected, *found.shape[2:])
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < TOLERANCE * scale
    [wrong] = outputs_of(graph, {graph.inputs[0].name: x})
    assert np.abs(found - wrong).max() > 1000 * TOLERANCE * scale
