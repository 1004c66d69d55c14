"""Compensation: what a fit in graph order wins, and that its numbers can be saved."""

import numpy as np
import pytest

from edgert.calibration.fit import fit_compensation
from edgert.calibration.reference import Reference
from edgert.surgery.channel_groups import find_channel_groups
from edgert.surgery.compensate import compensate, with_numbers
from edgert.surgery.graph import add_initializer
from edgert.surgery.narrow_channels import narrow_channels
from edgert.surgery.replace_residuals import replace_residuals
from edgert.surgery.skip_residuals import skip_residuals
from tests.calibration.graphs import conv_net, frames, run, token_net


@pytest.fixture
def reference(tmp_path):
    return Reference.make(tmp_path / "reference", token_net(), frames(24), threads=1)


@pytest.fixture
def conv_reference(tmp_path):
    return Reference.make(tmp_path / "reference", conv_net(), frames(24), threads=1)


def _error(graph, reference, seed=9):
    """Mean squared difference on frames that nothing was fitted on, against the variance."""
    held_out = frames(8, seed=seed)
    wanted = np.concatenate([run(reference.graph, x) for x in held_out])
    got = np.concatenate([run(graph, x) for x in held_out])
    return float(np.square(got - wanted).mean() / wanted.var())


def test_nothing_is_fitted_where_nothing_was_changed(reference):
    compensation = fit_compensation(token_net(), reference, threads=1)
    assert compensation.tensors == {}
    assert _error(compensation.graph, reference) < 1e-10


@pytest.mark.parametrize("by", ["linear", "scale"])
def test_a_replaced_branch_is_made_up_for_on_frames_never_seen(reference, by):
    edited = replace_residuals(token_net(), branches=["block1"], by=by)
    plain = _error(skip_residuals(token_net(), branches=["block1"]), reference)
    assert _error(edited, reference) == pytest.approx(plain, rel=1e-4)  # zeros: as if skipped
    assert _error(fit_compensation(edited, reference, threads=1).graph, reference) < plain / 3


def test_what_follows_a_skipped_branch_is_refitted(reference):
    edited = skip_residuals(token_net(), branches=["block1"])
    compensation = fit_compensation(edited, reference, threads=1)
    assert _error(compensation.graph, reference) < _error(edited, reference) / 2
    assert [site.name for site in compensation.sites][-1] == "head/MatMul"


def test_the_readers_of_channels_that_went_are_refitted(reference):
    edited = narrow_channels(token_net(), group="block2.fc1", keep=8)
    compensation = fit_compensation(edited, reference, threads=1)
    assert _error(compensation.graph, reference) < _error(edited, reference) / 1.5


def test_a_narrower_stream_is_made_up_for(reference):
    [stream] = [g.name for g in find_channel_groups(token_net()) if g.normalised_by]
    edited = narrow_channels(token_net(), group=stream, keep=5)
    compensation = fit_compensation(edited, reference, threads=1)
    assert "block1.fc2/MatMul.weight" in compensation.tensors
    assert _error(compensation.graph, reference) < _error(edited, reference) / 1.5


def test_a_branch_that_is_linear_is_replaced_without_loss(tmp_path):
    """Without its activation a branch is linear in what its normalisation gives."""
    graph = token_net().copy()
    relu = graph.node("block1.act/Relu")
    relu.outputs[0].replace_all_uses_with(relu.inputs[0])
    reference = Reference.make(tmp_path / "linear", graph, frames(24), threads=1)
    edited = replace_residuals(reference.graph, branches=["block1"])
    fitted = fit_compensation(edited, reference, threads=1, strength=1e-9).graph
    assert _error(fitted, reference) < 1e-5
    assert _error(edited, reference) > 1e-2


def test_convolutions_are_fitted_with_their_kernels(conv_reference):
    edited = skip_residuals(conv_net(), branches=["mix"])
    compensation = fit_compensation(edited, conv_reference, threads=1)
    assert "head/Conv.weight" in compensation.tensors
    assert compensation.tensors["head/Conv.weight"].shape == (3, 8, 3, 3)
    assert _error(compensation.graph, conv_reference) < _error(edited, conv_reference)


def test_errors_of_one_fit_are_seen_by_the_next(reference):
    """In graph order from the edited graph, not each map from the full one."""
    edited = skip_residuals(token_net(), branches=["block1"])
    last = fit_compensation(edited, reference, threads=1)
    head = {k: v for k, v in last.tensors.items() if k.startswith("head/")}
    assert _error(with_numbers(edited, head, subject="head"), reference) > _error(
        last.graph, reference
    )


def test_fits_say_what_they_gained(reference):
    edited = replace_residuals(token_net(), branches=["block1"])
    sites = fit_compensation(edited, reference, threads=1).sites
    assert sites[0].name == "block1/stand_in"
    assert sites[0].before == pytest.approx(1.0, abs=0.5)
    assert all(site.after <= site.before + 1e-9 for site in sites)


def test_saved_numbers_give_the_same_graph_again(reference, tmp_path):
    edited = replace_residuals(token_net(), branches=["block1", "block2"])
    compensation = fit_compensation(edited, reference, threads=1)
    compensation.save(tmp_path / "fitted" / "c.npz")
    again = compensate(edited, fitted=tmp_path / "fitted" / "c.npz")
    x = frames(1, seed=5)[0]
    np.testing.assert_array_equal(run(again, x), run(compensation.graph, x))
    assert not np.allclose(run(edited, x), run(again, x), atol=1e-3)


def test_the_same_fit_gives_the_same_bits(reference):
    edited = replace_residuals(token_net(), branches=["block1"])
    one, two = (fit_compensation(edited, reference, threads=1) for _ in range(2))
    for key, array in one.tensors.items():
        np.testing.assert_array_equal(array, two.tensors[key])


def test_progress_names_each_site(reference):
    seen = []
    edited = skip_residuals(token_net(), branches=["block1"])
    fit_compensation(edited, reference, threads=1, progress=lambda *step: seen.append(step))
    assert seen[0] == (0, 3, "block2.fc1/MatMul")
    assert [done for done, _, _ in seen] == [0, 1, 2]


def test_weights_shared_with_another_node_are_not_changed_for_it(tmp_path):
    """Two blocks that read one weight: a fit gives each numbers of its own."""
    graph = token_net().copy()
    one, two = graph.node("block1.fc2/MatMul"), graph.node("block2.fc2/MatMul")
    shared = add_initializer(graph, "shared", one.inputs[1].const_value.numpy())
    one.replace_input_with(1, shared)
    two.replace_input_with(1, shared)
    reference = Reference.make(tmp_path / "shared", graph, frames(8), threads=1)
    edited = narrow_channels(reference.graph, group="block2.fc1", keep=8)
    fitted = fit_compensation(edited, reference, threads=1).graph
    before = graph.node("block1.fc2/MatMul").inputs[1].const_value.numpy()
    np.testing.assert_array_equal(
        fitted.node("block1.fc2/MatMul").inputs[1].const_value.numpy(), before
    )
