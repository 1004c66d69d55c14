"""MACs of subnets from their numbers alone, against the count on the derived graph."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.build.derive import derive
from edgert.families.ofa_cost import layers_of, macs_of_subnet
from edgert.families.ofa_resnet50 import edits, supernet_graph
from edgert.families.ofa_space import Space, Subnet
from edgert.surgery.cost import cost_of
from tests.families.ofa_networks import SMALL, random_weights

SIZES = (20, 24, 33, 36)  # an odd one rounds up at every stride
SPACE = dataclasses.replace(SMALL, image_sizes=SIZES)
GRAPHS = {size: supernet_graph(random_weights(SPACE), SPACE, image_size=size) for size in SIZES}
RESNET50 = Space()


def uniform(depth, expand, width, size=224):
    depths = (depth,) * 5 if isinstance(depth, int) else depth
    return Subnet(depths, (expand,) * 18, (width,) * 6, size)


def subnets():
    def each(values, count):
        return st.tuples(*[st.sampled_from(values)] * count)

    return st.builds(
        Subnet,
        depth=each(SPACE.depths, 4),
        expand=each(SPACE.expands, SPACE.blocks),
        width=each((0, 1, 2), 5),
        image_size=st.sampled_from(SIZES),
    )


@settings(max_examples=20, deadline=None)
@given(subnets())
def test_macs_are_those_of_the_derived_graph(subnet):
    size = subnet.image_size
    steps = edits(SPACE, subnet, base_image_size=size)
    counted = cost_of(derive(GRAPHS[size], steps, subject="derive"))
    assert not counted.unknown_operators
    assert macs_of_subnet(SPACE, subnet) == counted.macs


@pytest.mark.parametrize("end", ["largest", "smallest"])
def test_weights_are_those_of_the_derived_graph(end):
    subnet = getattr(SPACE, end)()
    steps = edits(SPACE, subnet, base_image_size=subnet.image_size)
    graph = derive(GRAPHS[subnet.image_size], steps, subject="derive")
    convolutions = [n for n in graph.nodes if n.op_type in ("Conv", "Gemm", "MatMul")]
    sizes = sorted(max(v.const_value.size for v in n.inputs[1:2]) for n in convolutions)
    assert sizes == sorted(layer.weights for layer in layers_of(SPACE, subnet))


@pytest.mark.parametrize(
    ("subnet", "gmacs"),
    [  # facts of the published supernet, at 224 pixels
        (uniform(2, 0.35, 2), 7.492),
        (uniform(2, 0.25, 2), 4.766),
        (uniform((2, 1, 2, 2, 1), 0.25, 2), 4.329),
        (uniform(1, 0.25, 2), 3.776),
        (uniform(1, 0.25, 1), 2.485),
        (uniform(0, 0.2, 2), 2.253),
        (uniform(2, 0.25, 0), 2.075),
        (uniform(0, 0.25, 1), 1.899),
        (uniform(0, 0.2, 0), 0.962),
        (uniform(0, 0.2, 0, 128), 0.315),
    ],
)
def test_macs_of_ofa_resnet50_are_the_known_ones(subnet, gmacs):
    assert round(macs_of_subnet(RESNET50, subnet) / 1e9, 3) == gmacs


@pytest.mark.parametrize("field", ["depth", "expand", "width"])
def test_each_number_makes_a_difference(field):
    """The control: a count that left one out would not notice."""
    whole, least = SPACE.largest(), SPACE.smallest(SPACE.image_sizes[-1])
    cut = dataclasses.replace(whole, **{field: getattr(least, field)})
    assert macs_of_subnet(SPACE, cut) < macs_of_subnet(SPACE, whole)


def test_activations_are_what_a_layer_reads_and_writes():
    first = next(layers_of(RESNET50, RESNET50.largest(224)))
    assert (first.place, first.before, first.after) == ("stem", 224, 112)
    assert first.activations == 3 * 224**2 + 32 * 112**2
    assert first.macs == 112**2 * 32 * 27
