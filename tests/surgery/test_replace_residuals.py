"""A linear map in a branch's place."""

import numpy as np
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.cost import cost_of
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.refit import set_numbers
from edgert.surgery.replace_residuals import replace_residuals
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.calibration.graphs import conv_net, frames, run, token_net
from tests.skeletons import skeleton


@pytest.mark.parametrize("by", ["linear", "scale"])
@pytest.mark.parametrize(("net", "branch"), [(token_net, "block1"), (conv_net, "mix")])
def test_a_fresh_stand_in_is_as_good_as_a_skip(net, branch, by):
    graph, x = net(), frames(1)[0]
    replaced = replace_residuals(graph, branches=[branch], by=by)
    skipped = skip_residuals(graph, branches=[branch])
    np.testing.assert_allclose(run(replaced, x), run(skipped, x), atol=1e-6)
    assert not np.allclose(run(replaced, x), run(graph, x), atol=1e-3)


def test_a_linear_stand_in_costs_channels_times_channels_per_position():
    graph = token_net()
    replaced = cost_of(replace_residuals(graph, branches=["block1"])).macs
    skipped = cost_of(skip_residuals(graph, branches=["block1"])).macs
    assert replaced - skipped == 16 * 6 * 6
    scaled = replace_residuals(graph, branches=["block1"], by="scale")
    assert cost_of(scaled).macs == skipped


def test_a_stand_in_reads_the_branchs_own_normalisation():
    replaced = replace_residuals(token_net(), branches=["block2"])
    data = replaced.node("block2/stand_in").inputs[0]
    assert data.producer().name == "block2.norm/LayerNormalization"


def test_a_stand_in_without_a_normalisation_reads_the_shortcut():
    replaced = replace_residuals(conv_net(), branches=["mix"])
    assert replaced.node("mix/stand_in").op_type == "Conv"
    assert replaced.node("mix/stand_in").inputs[0].producer().name == "stem.act/Relu"


def test_an_identity_for_a_weight_adds_the_normalised_shortcut():
    graph = replace_residuals(conv_net(), branches=["mix"]).copy()
    stand_in = linear_map(graph.node("mix/stand_in"))
    set_numbers(graph, stand_in, np.eye(8).reshape(8, 8, 1, 1), np.full(8, 0.5))
    skipped = skip_residuals(conv_net(), branches=["mix"])
    assert not np.allclose(run(graph, frames(1)[0]), run(skipped, frames(1)[0]), atol=1e-3)


def test_the_graph_that_was_given_is_unchanged():
    graph, x = token_net(), frames(1)[0]
    before = run(graph, x)
    replace_residuals(graph, branches=["block1", "block2"])
    np.testing.assert_array_equal(run(graph, x), before)


@pytest.mark.parametrize(
    ("branches", "told"),
    [
        ([], "expected a list of one branch name or more"),
        (["block1", "block1"], "block1 more than once"),
        (["blok1"], "the nearest are block1"),
    ],
)
def test_names_that_do_not_fit_are_one_line(branches, told):
    with pytest.raises(PreconditionError, match=told) as error:
        replace_residuals(token_net(), branches=branches)
    assert str(error.value).startswith("replace_residuals")


@pytest.mark.parametrize(
    "name",
    [
        "segformer_b0_dynamo",
        "segformer_b0_torchscript",
        "vit_small_dynamo",
        "resnet50_torchscript",
    ],
)
def test_every_branch_of_a_real_export_can_be_replaced(name):
    graph = skeleton(name)
    branches = find_residual_branches(graph)
    identity = [b.name for b in branches if b.shortcut == "identity"]
    replaced = replace_residuals(graph, branches=identity)
    assert sum(node.name.endswith("/stand_in") for node in replaced.nodes) == len(identity)
    assert cost_of(replaced).macs < cost_of(graph).macs
