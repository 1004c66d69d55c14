"""Where a graph can be fitted, and to what."""

import numpy as np

from edgert.calibration.sites import changed_nodes, find_sites, scale_sites, to_rows
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.narrow_channels import keep_units, narrow_channels
from edgert.surgery.replace_residuals import replace_residuals
from edgert.surgery.skip_residuals import skip_residuals
from tests.calibration.graphs import conv_net, token_net


def _names(sites):
    return [site.name for site in sites]


def test_an_unchanged_graph_has_no_sites():
    graph = token_net()
    assert changed_nodes(graph.copy(), graph) == set()
    assert find_sites(graph.copy(), graph) == []


def test_equal_weights_in_another_object_are_no_change():
    assert find_sites(token_net(), token_net()) == []


def test_other_weights_make_a_site_of_every_map_behind_the_first():
    sites = _names(find_sites(token_net(seed=1), token_net(seed=0)))
    assert sites[0] == "block1.fc1/MatMul"
    assert len(sites) == 5


def test_sites_behind_a_skipped_branch_are_all_maps_that_read_it():
    graph = token_net()
    sites = find_sites(skip_residuals(graph, branches=["block1"]), graph)
    assert _names(sites) == ["block2.fc1/MatMul", "block2.fc2/MatMul", "head/MatMul"]


def test_a_map_that_ends_a_branch_aims_at_the_sum_behind_it():
    graph = token_net()
    sites = {s.name: s for s in find_sites(skip_residuals(graph, branches=["block1"]), graph)}
    assert sites["block2.fc2/MatMul"].target.producer().name == "block2/Add"
    assert sites["block2.fc2/MatMul"].other is not None
    assert sites["block2.fc1/MatMul"].target.producer().name == "block2.fc1.bias/Add"
    assert sites["head/MatMul"].target.is_graph_output()


def test_a_stand_in_is_a_site_that_aims_at_the_sum():
    graph = token_net()
    edited = replace_residuals(graph, branches=["block1"])
    first = find_sites(edited, graph)[0]
    assert first.name == "block1/stand_in"
    assert first.reference.producer().name == "block1/Add"
    assert scale_sites(edited, graph) == []
    [scale] = scale_sites(replace_residuals(graph, branches=["block1"], by="scale"), graph)
    assert scale.reference.producer().name == "block1/Add"


def test_a_map_that_lost_rows_reads_what_it_did_and_its_reader_is_a_site():
    graph = token_net()
    sites = _names(find_sites(narrow_channels(graph, group="block1.fc1", keep=5), graph))
    assert "block1.fc1/MatMul" not in sites
    assert sites[0] == "block1.fc2/MatMul"


def test_a_map_that_lost_rows_behind_a_change_aims_at_the_channels_that_stay():
    graph = token_net()
    kept = [0, 2, 3, 7, 15]
    edited = keep_units(skip_residuals(graph, branches=["block1"]), group="block2.fc1", kept=kept)
    edited = keep_units(edited, group="block2.fc1", kept=[0, 1, 3])  # a cut of a cut
    [site] = [s for s in find_sites(edited, graph) if s.name == "block2.fc1/MatMul"]
    np.testing.assert_array_equal(site.kept, [0, 2, 7])


def test_a_narrower_stream_is_fitted_to_the_channels_that_stay():
    graph = token_net()
    [stream] = [g.name for g in find_channel_groups(graph) if g.normalised_by]
    edited = keep_units(graph, group=stream, kept=[0, 1, 3, 5])
    sites = {site.name: site for site in find_sites(edited, graph)}
    np.testing.assert_array_equal(sites["block2.fc2/MatMul"].kept, [0, 1, 3, 5])
    assert sites["head/MatMul"].kept is None


def test_positions_follow_the_layout_to_the_target():
    graph = token_net()
    edited = replace_residuals(graph, branches=["block1"])
    [site] = [s for s in find_sites(edited, graph) if s.name == "block2.fc2/MatMul"]
    np.testing.assert_array_equal(site.map_rows(), np.arange(16))
    conv = conv_net()
    head = find_sites(skip_residuals(conv, branches=["mix"]), conv)[-1]
    assert head.name == "head/Conv"
    np.testing.assert_array_equal(head.map_rows(), np.arange(16))


def test_rows_have_the_channels_last():
    array = np.arange(24).reshape(1, 2, 3, 4)
    rows = to_rows(array, 1)
    assert rows.shape == (12, 2)
    np.testing.assert_array_equal(rows[5], array[0, :, 1, 1])
