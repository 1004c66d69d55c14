"""A model behind another's input and output gives what it gives behind its own preprocessing."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgert.errors import PreconditionError
from edgert.preprocess import Preprocessor
from edgert.records import InputSpec, TensorSpec
from edgert.resize import bilinear_resize
from edgert.surgery.adapt_edges import PlaneMap, adapt_edges
from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from edgert.surgery.resize_input import resize_input
from tests.scaled_family import SMALL, WIDE, small_model, wide_model
from tests.surgery.sessions import session_of
from tests.tiny_family import INPUT_SHAPE, tiny_model

FAMILY = InputSpec(name="pixel_values", shape=INPUT_SHAPE, mean=(0.5, 0.4, 0.3), std=(0.2,) * 3)
LOGITS = TensorSpec(name="logits", shape=(1, 3, 6, 8))
INTEGERS = TensorSpec(name="logits", shape=(1, 3, 6, 8), dtype="int64")
# Both sides compute the same products in float32 in another order, a thousand of them in a row.
EXACT = 1e-5


def graph_of(model: onnx.ModelProto) -> Graph:
    return normalised(Graph(ir.from_proto(model)))


def run(graph: Graph, tensor: np.ndarray) -> np.ndarray:
    session = session_of(graph, threads=1)
    return session.run(None, {session.get_inputs()[0].name: tensor})[0]


def spec_like(own: InputSpec, size: tuple[int, int]) -> InputSpec:
    """Of the family's size, else as `own`."""
    return InputSpec(
        name=own.name, shape=(1, 3, *size), color_order=own.color_order, scale=own.scale,
        mean=own.mean, std=own.std,
    )  # fmt: skip


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth_picture(height: int, width: int) -> np.ndarray:
    """Waves of a period of 38 pixels and more, each colour another."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / 6 + k) * np.cos(x / (7 + k)) for k in range(3)]
    return np.uint8(127.5 + 120 * np.stack(waves, axis=-1))


def relative(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


# ---------------------------------------------------------------- what comes out


@pytest.mark.parametrize("own", [WIDE, SMALL], ids=["gain for bytes", "gain for ratios"])
def test_of_the_same_size_the_result_is_that_of_its_own_preprocessing(own: InputSpec):
    own = spec_like(own, INPUT_SHAPE[2:])
    graph = graph_of(tiny_model(3, names=("image", "scores")))
    adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS])
    image = picture(*INPUT_SHAPE[2:])
    got = run(adapted, Preprocessor(FAMILY)(image))
    want = run(graph, Preprocessor(own)(image))
    assert relative(got, want) < EXACT


@pytest.mark.parametrize("operator", ["Gather", "Mul", "Add"])
def test_without_one_of_its_maps_the_result_is_another(operator: str):
    """The negative control: each of the three maps matters."""
    own = spec_like(SMALL, INPUT_SHAPE[2:])
    graph = graph_of(tiny_model(3, names=("image", "scores")))
    adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS]).copy()
    for node in adapted.nodes:
        if node.name == f"adapt_edges.input/{operator}":
            node.outputs[0].replace_all_uses_with(node.inputs[0])
    image = picture(*INPUT_SHAPE[2:])
    got = run(adapted, Preprocessor(FAMILY)(image))
    want = run(graph, Preprocessor(own)(image))
    assert relative(got, want) > 100 * EXACT


@pytest.mark.parametrize(
    ("own", "model"), [(WIDE, wide_model()), (SMALL, small_model())], ids=["larger", "smaller"]
)
def test_of_another_size_the_result_is_that_of_its_own_preprocessing(
    own: InputSpec, model: onnx.ModelProto
):
    """The picture has the family's size, so that there is one resizing on either side.

    Ours is in float32 and takes the mean where it halves; swscale's rounds to whole grey levels
    and weighs four pixels where it halves. On a smooth picture 2 % of the largest logit covers
    both (seen: 0.3 and 1.1 %); with its colours swapped a model is 20 % off and more.
    """
    graph = graph_of(model)
    adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS])
    image = smooth_picture(*INPUT_SHAPE[2:])
    got = run(adapted, Preprocessor(FAMILY)(image))
    scores = run(graph, Preprocessor(own)(image))
    want = bilinear_resize(scores[0], 6, 8)[None]
    assert relative(got, want) < 0.02
    swapped = run(adapted, Preprocessor(FAMILY)(np.ascontiguousarray(image[..., ::-1])))
    assert relative(swapped, want) > 0.2


def test_a_resized_picture_is_exact_where_the_resizing_is_the_same():
    """The larger model against bilinear resizing, the smaller one against the mean of four."""
    image = picture(*INPUT_SHAPE[2:])
    planes = image.transpose(2, 0, 1).astype(np.float32)
    halved = planes.reshape(3, 12, 2, 16, 2).mean(axis=(2, 4))
    cases = [(WIDE, wide_model(), bilinear_resize(planes, 32, 48)), (SMALL, small_model(), halved)]
    for own, model, resized in cases:
        graph = graph_of(model)
        adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS])
        mean, std = (np.array(x, np.float32)[:, None, None] for x in (own.mean, own.std))
        tensor = (resized[::-1] * np.float32(own.scale) - mean) / std
        want = bilinear_resize(run(graph, tensor[None].astype(np.float32))[0], 6, 8)[None]
        assert relative(run(adapted, Preprocessor(FAMILY)(image)), want) < EXACT


@given(
    st.lists(st.floats(0.05, 1), min_size=6, max_size=6),
    st.lists(st.floats(0, 1), min_size=6, max_size=6),
    st.booleans(),
    st.floats(0.5, 300),
)
def test_the_map_between_two_normalisations_is_exact(stds, means, swapped: bool, ratio: float):
    scale = 1 / 255
    family = InputSpec(name="x", shape=INPUT_SHAPE, mean=tuple(means[:3]), std=tuple(stds[:3]))
    own = InputSpec(
        name="x", shape=INPUT_SHAPE, color_order="bgr" if swapped else "rgb", scale=scale * ratio,
        mean=tuple(ratio * m for m in means[3:]), std=tuple(ratio * s for s in stds[3:]),
    )  # fmt: skip
    planes = PlaneMap.between(family, own)
    pixel = np.array([10.0, 120.0, 250.0])  # red, green, blue
    seen = (pixel * scale - family.mean) / family.std
    wanted = (pixel[::-1] if swapped else pixel) * own.scale
    wanted = (wanted - own.mean) / own.std
    got = np.array(planes.gain) * seen[list(planes.order)] + planes.offset
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------- what is inserted


def operators(graph: Graph) -> list[str]:
    return [node.op_type for node in graph.nodes]


def test_nothing_is_inserted_where_nothing_differs():
    graph = graph_of(tiny_model())
    assert adapt_edges(graph, family=FAMILY, own=FAMILY, outputs=[LOGITS]) is graph


def test_the_same_normalisation_in_other_numbers_is_the_same():
    graph = graph_of(tiny_model())
    own = InputSpec(
        name="pixel_values", shape=INPUT_SHAPE, scale=1.0,
        mean=tuple(255 * m for m in FAMILY.mean), std=tuple(255 * s for s in FAMILY.std),
    )  # fmt: skip
    assert adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS]) is graph


def test_other_names_alone_insert_nothing():
    graph = graph_of(tiny_model(names=("image", "scores")))
    own = InputSpec(name="image", shape=FAMILY.shape, mean=FAMILY.mean, std=FAMILY.std)
    adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS])
    assert operators(adapted) == operators(graph)
    assert [v.name for v in (*adapted.inputs, *adapted.outputs)] == ["pixel_values", "logits"]
    assert [v.name for v in (*graph.inputs, *graph.outputs)] == ["image", "scores"]  # unchanged


@pytest.mark.parametrize(
    ("change", "inserted"),
    [
        ({"color_order": "bgr", "mean": FAMILY.mean[::-1]}, ["Gather"]),
        ({"std": (0.3,) * 3, "mean": (0.5, 0.4, 0.3)}, ["Mul"]),
        ({"mean": (0.1, 0.1, 0.1)}, ["Add"]),
    ],
)
def test_only_what_differs_is_inserted(change: dict, inserted: list[str]):
    graph = graph_of(tiny_model())
    given = {"mean": FAMILY.mean, "std": FAMILY.std, **change}
    own = InputSpec(name="pixel_values", shape=INPUT_SHAPE, **given)
    adapted = adapt_edges(graph, family=FAMILY, own=own, outputs=[LOGITS])
    assert operators(adapted) == inserted + operators(graph)


def test_half_the_size_is_a_mean_and_colours_are_mapped_on_the_smaller_picture():
    graph = graph_of(small_model())
    adapted = adapt_edges(graph, family=FAMILY, own=SMALL, outputs=[LOGITS])
    assert operators(adapted)[:4] == ["AveragePool", "Gather", "Mul", "Add"]
    assert tuple(adapted.nodes[0].outputs[0].shape) == SMALL.shape
    larger = adapt_edges(graph_of(wide_model()), family=FAMILY, own=WIDE, outputs=[LOGITS])
    assert operators(larger)[:4] == ["Gather", "Mul", "Add", "Resize"]


def test_a_name_of_the_family_inside_the_model_is_no_hindrance():
    """The model computes a value "pixel_values" and one "logits" of its own."""
    model = tiny_model(4, names=("image", "scores"))
    inside = {
        model.graph.node[0].output[0]: "logits",
        model.graph.node[1].output[0]: "pixel_values",
    }
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [inside.get(name, name) for name in names]
    onnx.checker.check_model(model)
    graph = graph_of(model)
    adapted = adapt_edges(graph, family=FAMILY, own=spec_like(SMALL, (24, 32)), outputs=[LOGITS])
    image = picture(24, 32)
    got = run(adapted, Preprocessor(FAMILY)(image))
    want = run(graph, Preprocessor(spec_like(SMALL, (24, 32)))(image))
    assert relative(got, want) < EXACT


def test_a_score_for_each_class_is_left_as_it_is():
    adapted = adapt_edges(
        classifier(), family=FAMILY, own=spec_like(SMALL, (24, 32)),
        outputs=[TensorSpec(name="logits", shape=(1, 3))],
    )  # fmt: skip
    assert operators(adapted) == ["Gather", "Mul", "Add", "ReduceMean"]


def classifier() -> Graph:
    node = helper.make_node("ReduceMean", ["image"], ["y"], axes=[2, 3], keepdims=0, name="mean")
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", INPUT_SHAPE), ("y", (1, 3)))
    ]
    model = helper.make_model(
        helper.make_graph([node], "means", edges[:1], edges[1:]),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=9,
    )
    return graph_of(model)


# ---------------------------------------------------------------- at another size of the network


@pytest.mark.parametrize(
    ("own", "seed", "channels"), [(SMALL, 6, 6), (WIDE, 5, 12)], ids=["small", "wide"]
)
@pytest.mark.parametrize("size", [(16, 24), (24, 32), (12, 16), (32, 48)])
def test_resize_input_is_the_network_s_own_size(own: InputSpec, seed: int, channels: int, size):
    """The same as the network exported at that size and adapted, not a part of the own size."""
    height, width = size

    def adapted(rows: int, columns: int) -> Graph:
        model = tiny_model(
            seed, channels=channels, size=(rows, columns), names=("image", "scores")
        )
        spec = spec_like(own, (rows, columns))
        return adapt_edges(graph_of(model), family=FAMILY, own=spec, outputs=[LOGITS])

    got = resize_input(adapted(own.height, own.width), height=height, width=width)
    tensor = Preprocessor(FAMILY)(picture(24, 32))
    assert relative(run(got, tensor), run(adapted(*size), tensor)) < EXACT
    pictures = [node for node in got.nodes if node.op_type in ("AveragePool", "Resize")]
    assert len(pictures) <= 4  # two for the picture at most, the head's own, the output's


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("graph", "own", "output", "line"),
    [
        (
            graph_of(tiny_model(classes=4)), FAMILY, LOGITS,
            "output logits: expected 3 classes, as the family's base model has them, got 4 ",
        ),
        (
            graph_of(tiny_model()), SMALL, LOGITS,
            r"expected one input, image \(1, 3, 12, 16\) of float32, got pixel_values \(1, 3, 24",
        ),
        (
            classifier(), spec_like(SMALL, (24, 32)), LOGITS,
            r"expected shape \(1, 3, 6, 8\), as the family's base model has it; only the height",
        ),
        (
            graph_of(tiny_model()), FAMILY, INTEGERS,
            "output logits: expected int64, got float32",
        ),
    ],
    ids=["classes", "input", "rank", "type"],
)  # fmt: skip
def test_what_can_t_take_turns_is_refused_in_one_line(graph, own, output, line: str):
    with pytest.raises(PreconditionError, match=line) as caught:
        adapt_edges(graph, family=FAMILY, own=own, outputs=[output])
    assert "\n" not in str(caught.value)


def test_another_number_of_outputs_is_refused():
    with pytest.raises(PreconditionError, match=r"the outputs: expected 2, .* got logits"):
        adapt_edges(graph_of(tiny_model()), family=FAMILY, own=FAMILY, outputs=[LOGITS, LOGITS])
