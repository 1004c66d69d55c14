"""Make tests/data/skeletons/*.onnx.gz: exports of well-known models without their weights.

Run it where torch, transformers, torchvision, libreyolo (MIT) and onnxscript are installed:

    python tests/data/make_skeletons.py [name ...]

A skeleton keeps every node, name and shape of the export. Of each floating-point tensor of 64
elements or more only type, shape and "mean std sign" stay (in the tensor's doc_string);
tests/skeletons.py fills it with random numbers of that kind. Those under opsets/ were exported at
another opset than 18.
"""

import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    ResNetConfig,
    ResNetForImageClassification,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

FOLDER = Path(__file__).parent / "skeletons"
SMALLEST_EMPTIED = 64
FEWEST_VALUES = 4  # a tensor of fewer is a mask or a grid, not weights, and packs well
KEPT_METADATA = "pkg.torch.onnx.name_scopes"


def segformer(depths, sizes, decoder, labels):
    config = SegformerConfig(
        num_labels=labels, depths=depths, hidden_sizes=sizes, decoder_hidden_size=decoder
    )
    return SegformerForSemanticSegmentation(config), ("logits",)


def segformer_b0():
    return *segformer([2, 2, 2, 2], [32, 64, 160, 256], 256, labels=11), (1, 3, 360, 480)


def segformer_b2():
    return *segformer([3, 4, 6, 3], [64, 128, 320, 512], 768, labels=150), (1, 3, 512, 512)


def vit_small(attention="sdpa"):
    config = ViTConfig(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, num_labels=1000
    )
    config._attn_implementation = attention
    return ViTForImageClassification(config), ("logits",), (1, 3, 224, 224)


def resnet50():
    return (
        ResNetForImageClassification(ResNetConfig(num_labels=1000)),
        ("logits",),
        (1, 3, 224, 224),
    )


def detr_resnet50():
    backbone = ResNetConfig(out_features=["stage4"])
    config = DetrConfig(
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone=None,
        backbone_config=backbone,
    )
    return DetrForObjectDetection(config), ("logits", "pred_boxes"), (1, 3, 320, 320)


def swin_tiny():
    config = SwinConfig(num_labels=1000)
    config._attn_implementation = "eager"  # the dynamo exporter can't write the fused one
    return SwinForImageClassification(config), ("logits",), (1, 3, 224, 224)


def mobilenet_v3():
    from torchvision.models import mobilenet_v3_large

    return mobilenet_v3_large(), ("logits",), (1, 3, 96, 96)


def yolo9_tiny():
    from libreyolo.models.yolo9.nn import LibreYOLO9Model

    return detector(LibreYOLO9Model("t", nb_classes=80))


def yolox_nano():
    from libreyolo.models.yolox.nn import LibreYOLOXModel

    return detector(LibreYOLOXModel("n", nb_classes=80))


def detector(model):
    model.head.export = True
    return model, ("predictions",), (1, 3, 160, 160)


MODELS = (
    segformer_b0,
    segformer_b2,
    vit_small,
    resnet50,
    detr_resnet50,
    swin_tiny,
    mobilenet_v3,
    yolo9_tiny,
    yolox_nano,
)
# What other opsets change: LayerNormalization and HardSwish in parts, Gelu whole, no module paths.
VARIANTS = (
    ("vit_small_torchscript_13", lambda: vit_small("eager"), 13),
    ("segformer_b0_dynamo_20", segformer_b0, 20),
    ("mobilenet_v3_torchscript_13", mobilenet_v3, 13),
    ("yolox_nano_dynamo_16", yolox_nano, 16),
)
SETTLED = (mobilenet_v3, yolo9_tiny, yolox_nano)


class Outputs(torch.nn.Module):
    """The named outputs of a model, as a tuple."""

    def __init__(self, model, names):
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, pixel_values):
        result = self.model(pixel_values)
        if isinstance(result, torch.Tensor):
            return (result,)
        return tuple(getattr(result, name) for name in self.names)


def randomise(model):
    """Give every tensor numbers of its own, as training does: exporters merge equal tensors."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif tensor.dim() > 1:
                fan_in = tensor[0].numel() if tensor.shape[0] > 1 else 1
                tensor.normal_(0.0, max(fan_in, 4) ** -0.5)
            else:
                centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
                tensor.normal_(centre, 0.1)


def settle(model, shape):
    """Let batch normalisation scale each layer so that signals neither fade nor grow.

    All channels of a layer alike: weights are drawn anew without regard to their channel.
    """

    def scale(norm, inputs):
        norm.running_mean.zero_()
        norm.running_var.fill_(inputs[0].square().mean())

    torch.manual_seed(1)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(scale) for norm in norms]
    with torch.no_grad():
        model.eval()(torch.randn(8, *shape[1:]))
    for hook in hooks:
        hook.remove()


def emptied(model):
    """Take the weights out of an onnx.ModelProto, in place."""
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.size < SMALLEST_EMPTIED or array.dtype != np.float32:
            continue
        if not np.isfinite(array).all() or np.unique(array).size <= FEWEST_VALUES:
            continue
        sign = "positive" if (array > 0).all() and array.std() > 0 else "any"
        tensor.doc_string = f"{array.mean():.6g} {array.std():.6g} {sign}"
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
    for node in model.graph.node:
        kept = {p.key: p.value for p in node.metadata_props if p.key == KEPT_METADATA}
        del node.metadata_props[:]
        for key, value in kept.items():
            node.metadata_props.add(key=key, value=value)
        node.doc_string = ""
    del model.graph.value_info[:]  # shape inference finds them again
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    return model


def export(model, outputs, shape, dynamo, opset):
    options = {"external_data": False} if dynamo else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            Outputs(model, outputs).eval(),
            (torch.zeros(*shape),),
            str(path),
            opset_version=opset,
            dynamo=dynamo,
            input_names=["pixel_values"],
            output_names=list(outputs),
            **options,
        )
        return onnx.load(str(path))


def exports():
    """(name, model, opset) of every skeleton."""
    for make in MODELS:
        for exporter in ("dynamo", "torchscript"):
            yield f"{make.__name__}_{exporter}", make, 18
    for name, make, opset in VARIANTS:
        yield f"opsets/{name}", make, opset


def main(names):
    (FOLDER / "opsets").mkdir(parents=True, exist_ok=True)
    for name, make, opset in exports():
        if names and name not in names:
            continue
        model, outputs, shape = make()
        randomise(model)
        if make in SETTLED:
            settle(model, shape)
        skeleton = emptied(export(model, outputs, shape, "dynamo" in name, opset))
        packed = gzip.compress(skeleton.SerializeToString(), compresslevel=9, mtime=0)
        (FOLDER / f"{name}.onnx.gz").write_bytes(packed)
        print(name, len(skeleton.graph.node), "nodes,", len(packed), "bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
