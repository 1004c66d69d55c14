"""A network resized is the network written for the other size, between two Resizes."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.errors import PreconditionError
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import constant_array, static_shape, values_of
from edgert.surgery.resize_input import is_resized, resize_input
from tests.skeletons import skeleton
from tests.surgery.graphs_residual import outputs_of
from tests.surgery.graphs_sized import CLASSES, NETS, SizedNet, bilinear, shrunk
from tests.surgery.variants import as_graph

TOLERANCE = 2e-5  # of the largest output, float32


def picture(height, width, seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, height, width), dtype=np.float32)


def brought_back(name, output, shape):
    """A dense output of the net at the other size, at its old one."""
    if output.shape == shape:
        return output
    if name == "nhwc":
        return np.moveaxis(bilinear(np.moveaxis(output, -1, 1), *shape[1:3]), 1, -1)
    return bilinear(output, *shape[2:])


def difference(outputs, expected):
    return max(
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip(outputs, expected, strict=True)
    )


def expected_outputs(net, old, new, x):
    """(Resize -> the net written for the new size -> Resize)."""
    shapes = {value.name: static_shape(value) for value in as_graph(NETS[net](*old)).outputs}
    small = outputs_of(as_graph(NETS[net](*new)), {"x": shrunk(x, *new)})
    found = dict(zip(shapes, small, strict=True))
    if "tokens" in found:  # row by row
        rows, columns = static_shape(as_graph(NETS[net](*new)).outputs[0])[2:]
        image = found["tokens"].reshape(1, rows, columns, CLASSES)
        wanted = (1, *shapes["logits"][2:], CLASSES)
        found["tokens"] = brought_back("nhwc", image, wanted).reshape(shapes["tokens"])
    return [brought_back(name, array, shapes[name]) for name, array in found.items()]


CASES = [
    ("residual", (64, 48), (48, 36)),
    ("residual", (64, 48), (80, 65)),
    ("pyramid", (72, 96), (54, 72)),
    ("pyramid", (90, 120), (67, 61)),
    ("focus", (64, 96), (48, 48)),
    ("focus", (64, 96), (64, 32)),
    ("tokens", (48, 64), (36, 48)),
    ("tokens", (45, 60), (61, 31)),
    ("groups", (24, 32), (18, 15)),
    ("groups", (24, 32), (24, 16)),
]


@pytest.mark.parametrize(("net", "old", "new"), CASES)
def test_it_is_the_network_written_for_the_other_size(net, old, new):
    graph, x = as_graph(NETS[net](*old)), picture(*old)
    resized = resize_input(graph, height=new[0], width=new[1])
    onnx.checker.check_model(ir.to_proto(resized.model), full_check=True)
    assert [static_shape(v) for v in resized.inputs] == [(1, 3, *old)]
    names = [(v.name, static_shape(v)) for v in graph.outputs]
    assert [(v.name, static_shape(v)) for v in resized.outputs] == names
    outputs = outputs_of(resized, {"x": x})
    assert difference(outputs, expected_outputs(net, old, new, x)) < TOLERANCE
    # neither the net at its own size nor one a little off would pass
    other = (new[0] - 8, new[1] - 8)
    for wrong in (outputs_of(graph, {"x": x}), expected_outputs(net, old, other, x)):
        assert difference(outputs, wrong) > 100 * TOLERANCE


sides = st.integers(24, 70)  # smaller ones have maps of one place


@settings(max_examples=25)
@given(net=st.sampled_from(sorted(NETS)), old=st.tuples(sides, sides), new=st.tuples(sides, sides))
def test_at_any_size_it_is_that_network_or_refuses_in_one_line(net, old, new):
    if net == "focus":  # written for multiples of four
        old = tuple(side // 4 * 4 for side in old)
    assume(old != new)
    graph, x = as_graph(NETS[net](*old)), picture(*old)
    if net == "focus" and any(side % 4 for side in new):
        refused(graph, *new)
        return
    resized = resize_input(graph, height=new[0], width=new[1])
    outputs = outputs_of(resized, {"x": x})
    # a normalisation of numbers that are nearly equal makes more of a rounding
    assert difference(outputs, expected_outputs(net, old, new, x)) < 20 * TOLERANCE


@pytest.mark.parametrize("net", sorted(NETS))
def test_cost_falls_as_the_area_and_every_shape_stays_known(net):
    graph = as_graph(NETS[net](96, 128))
    cost = cost_of(graph).macs
    for share in (0.75, 0.5):
        resized = resize_input(graph, height=int(96 * share), width=int(128 * share))
        assert all(static_shape(value) is not None for value in values_of(resized))
        ratio = cost_of(resized).macs / cost
        # attention falls with its square
        assert share**4 * 0.9 < ratio < share**2 * 1.1
        assert cost_of(resized).parameters <= cost_of(graph).parameters


def test_at_its_own_size_it_is_a_copy():
    graph = as_graph(NETS["pyramid"](48, 64))
    copy = resize_input(graph, height=48, width=64)
    assert [n.name for n in copy.nodes] == [n.name for n in graph.nodes]
    assert copy.model is not graph.model
    assert not is_resized(copy)


def test_the_graph_given_stays_as_it_was():
    graph = as_graph(NETS["pyramid"](48, 64))
    before = ir.to_proto(graph.model).SerializeToString()
    assert is_resized(resize_input(graph, height=24, width=32))
    assert ir.to_proto(graph.model).SerializeToString() == before


def test_a_node_inside_reads_on_what_is_an_output_too():
    net = SizedNet(16, 16)
    a = net.conv("a", "x", 3, CLASSES)
    net.sizes["a"] = net.sizes[a]
    net.nodes[-1].output[0] = "a"
    net.shapes = {"a": (1, CLASSES, 16, 16)}
    b = net.conv("b", "a", CLASSES, CLASSES, stride=2)
    net.shapes[b] = (1, CLASSES, *net.sizes[b])
    net.add("Identity", "out", [b], "b")
    model = net.model({"x": net.input}, {"a": net.shapes["a"], "b": net.shapes[b]})
    resized = resize_input(as_graph(model), height=8, width=8)
    a, b = outputs_of(resized, {"x": picture(16, 16)})
    assert a.shape == (1, CLASSES, 16, 16)
    assert b.shape == (1, CLASSES, 8, 8)
    assert static_shape(resized.node("b/Conv").outputs[0]) == (1, CLASSES, 4, 4)


# ---------------------------------------------------------------- the filter

# share -> largest and mean difference from Pillow's antialiased bilinear, in levels of 255
FROM_PILLOW = {
    0.75: (2.3, 0.14),
    2 / 3: (6.0, 0.4),
    0.5: (15.0, 1.2),
    0.4: (10.0, 0.75),
    0.25: (14.0, 1.1),
}


def photograph(height=180, width=240):
    """Edges, ramps, fine stripes and noise, 0..255."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    image = 90 + 60 * np.sin(x / 9) * np.cos(y / 13) + 50 * ((x // 31 + y // 23) % 2)
    image += 20 * np.sin(x * y / 900) + np.random.default_rng(0).normal(0, 4, image.shape)
    return np.stack([image, image.T[:height].mean() + 0 * image + x / 2, 255 - image]).clip(0, 255)


def shrink_errors(share, size=(180, 240)):
    height, width = (round(side * share) for side in size)
    x = photograph(*size).astype(np.float32)
    net = SizedNet(*size)
    y = net.conv("one", "x", 3, CLASSES, 1, 1, 0)
    net.shapes = {}
    resized = resize_input(as_graph(net.finished(y=y)), height=height, width=width)
    inner = resized.node("one/Conv").inputs[0]
    resized.model.graph.outputs.append(inner)
    found = outputs_of(resized, {"x": x[None]})[-1][0]
    pillow = np.stack(
        [np.asarray(Image.fromarray(c).resize((width, height), Image.BILINEAR)) for c in x]
    )
    plain = bilinear(x[None], height, width)[0]
    return np.abs(found - pillow), np.abs(plain - pillow)


@pytest.mark.parametrize("share", sorted(FROM_PILLOW))
def test_smaller_pictures_are_near_those_of_an_antialiased_filter(share):
    ours, plain = shrink_errors(share)
    largest, mean = FROM_PILLOW[share]
    assert ours.max() < largest
    assert ours.mean() < mean
    if share != 0.5:  # where two pixels of each row are all there are
        assert plain.mean() > 1.2 * ours.mean()


def test_a_larger_picture_is_bilinear():
    ours, plain = shrink_errors(1.5)
    assert ours.max() < 0.01
    assert plain.max() < 0.01


def test_operators_are_those_that_tensorrt_takes():
    graph = as_graph(NETS["pyramid"](96, 128))
    inserted = {}
    for share in (0.75, 0.5):
        resized = resize_input(graph, height=int(96 * share), width=int(128 * share))
        inserted[share] = [n for n in resized.nodes if n.name.startswith("resize_input/")]
        for node in inserted[share]:
            assert "antialias" not in node.attributes
    entry = {share: [n.op_type for n in nodes[:2]] for share, nodes in inserted.items()}
    assert entry[0.75] == ["Resize", "AveragePool"]
    assert entry[0.5][0] == "AveragePool"
    assert constant_array(inserted[0.75][0].inputs[3]).tolist() == [1, 3, 144, 192]


# ---------------------------------------------------------------- refusals


def refused(graph, height, width):
    with pytest.raises(PreconditionError) as caught:
        resize_input(graph, height=height, width=width)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_learned_positions_are_refused_by_name():
    message = refused(skeleton("vit_small_dynamo"), 112, 112)
    assert "model.vit.embeddings.position_embeddings, which has numbers for 197 places" in message


def test_windows_and_computed_positions_are_refused_by_name():
    assert "cuts 56 rows into parts" in refused(skeleton("swin_tiny_dynamo"), 112, 112)
    assert "which has numbers for 100 places" in refused(
        skeleton("detr_resnet50_dynamo"), 160, 160
    )


def test_strides_that_do_not_meet_name_the_nearest_size():
    graph = as_graph(NETS["focus"](64, 96))
    message = refused(graph, 46, 90)
    assert "joins 32 rows with as many" in message
    assert "Take 44 x 88, the nearest that works" in message
    resize_input(graph, height=44, width=88)


def test_a_layer_over_all_places_is_refused():
    net = SizedNet(16, 16)
    flat = net.add("Flatten", "head", [net.conv("a", "x", 3, 4, stride=4)])
    logits = net.add("Gemm", "head", [flat, net.weight("head.weight", 4 * 16, CLASSES)])
    net.shapes = {logits: (1, CLASSES)}
    message = refused(as_graph(net.finished(logits=logits)), 12, 12)
    assert "Gemm head/Gemm has weights for 64 places" in message
    assert "export the model at that size" in message


def test_a_picture_too_small_is_refused():
    net = SizedNet(16, 16)
    y = net.conv("a", net.conv("b", "x", 3, 4, 5, 2, 0), 4, CLASSES, 5, 1, 0)
    net.shapes = {}
    message = refused(as_graph(net.finished(y=y)), 8, 8)
    assert "Conv a/Conv reads 5 rows at once of 2" in message
    assert "Take 16 x 16, the nearest that works" in message
    pool = SizedNet(16, 16)
    y = pool.add("MaxPool", "p", [pool.conv("a", "x", 3, CLASSES)], kernel_shape=[5, 5])
    pool.sizes[y] = (12, 12)
    pool.shapes = {}
    message = refused(as_graph(pool.finished(y=y)), 12, 4)
    assert "MaxPool p/MaxPool reads 5 columns at once of 4" in message


@pytest.mark.parametrize(("height", "width"), [(0, 8), (8, -1)])
def test_no_picture_at_all_is_refused(height, width):
    assert "at least one row" in refused(as_graph(NETS["groups"](24, 32)), height, width)
