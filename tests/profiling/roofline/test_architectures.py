"""Structures from papers against exports, kernel by kernel, and against published sizes."""

from collections import Counter

import pytest

from edgert.errors import ArtifactError
from edgert.profiling.roofline.architectures import published_graph, resnet, segformer, vit
from edgert.profiling.roofline.kernels import GraphWork, work_of
from tests.skeletons import skeleton

STRUCTURES = {
    "vit_small": lambda: vit(224, 16, width=384, heads=6),
    "resnet50": resnet,
    "segformer_b0": lambda: segformer(360, 480, 11),
    "segformer_b2": lambda: segformer(
        512, 512, 150, widths=(64, 128, 320, 512), depths=(3, 4, 6, 3), decoder=768
    ),
}


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("model", STRUCTURES)
def test_a_structure_is_kernel_by_kernel_what_an_export_has(model: str, exporter: str):
    counted = work_of(skeleton(f"{model}_{exporter}"))
    assert counted.unknown_operators == ()
    assert Counter(counted.kernels) == Counter(STRUCTURES[model]().kernels)


@pytest.mark.parametrize(
    "other",
    [
        vit(224, 16, width=384, heads=12),  # the heads alone: same MACs, other softmax
        vit(224, 14, width=384, heads=6),
        vit(224, 16, width=384, heads=6, layers=11),
    ],
)
def test_another_structure_is_told_apart(other: GraphWork):
    assert Counter(work_of(skeleton("vit_small_dynamo")).kernels) != Counter(other.kernels)


# MACs and parameters in millions, as the papers or torchvision's and ultralytics' pages give them.
@pytest.mark.parametrize(
    ("name", "mega_macs", "mega_parameters"),
    [
        ("vit-b16-224", 17_560, 86.6),
        ("vit-b32-224", 4_410, 88.2),
        ("vit-tiny16-224", 1_260, 5.7),
        ("resnet18-224", 1_814, 11.69),
        ("resnet34-224", 3_664, 21.80),
        ("resnet50-224", 4_089, 25.56),
        ("mobilenet-v2-224", 300, 3.5),
        ("yolo-v8n-640", 4_350, 3.15),  # 8.7 GFLOPs
        ("segformer-b0-512", 8_400, 3.7),  # with 150 classes
    ],
)
def test_sizes_are_the_published_ones(name: str, mega_macs: float, mega_parameters: float):
    work = published_graph(name).work
    assert work.macs / 1e6 == pytest.approx(mega_macs, rel=0.06)
    weights = sum(kernel.weights for kernel in work.kernels)
    assert weights / 1e6 == pytest.approx(mega_parameters, rel=0.02)


def test_towers_of_clip_are_the_vision_transformer_with_another_head():
    ours, theirs = published_graph("clip-b32-224"), published_graph("vit-b32-224")
    assert ours.architecture == theirs.architecture
    assert theirs.work.macs - ours.work.macs == 768 * (1000 - 512)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(ArtifactError, match=r"expected one of vit-b16-224, .*, got another name"):
        published_graph("resnet-51")
