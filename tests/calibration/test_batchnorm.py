"""Statistics of normalisations, measured anew."""

import numpy as np
import pytest

from edgert.calibration.activations import Activations
from edgert.calibration.batchnorm import batchnorm_sites, recalibrate_batchnorm
from edgert.calibration.fit import fit_compensation
from edgert.calibration.reference import Reference
from edgert.calibration.sites import changed_nodes
from edgert.surgery.compensate import with_numbers
from edgert.surgery.narrow_channels import narrow_channels
from tests.calibration.graphs import conv_net, frames, run, token_net


def test_statistics_are_those_of_all_frames_together():
    inputs = frames(6)
    graph, tensors = recalibrate_batchnorm(conv_net(), inputs, threads=1)
    activations = Activations(conv_net_graph := conv_net(), inputs, threads=1)
    value = conv_net_graph.node("stem.norm/BatchNormalization").inputs[0]
    activations.compute([value])
    stacked = np.concatenate(activations[value]).astype(np.float64)
    wanted = stacked.mean(axis=(0, 2, 3)), stacked.var(axis=(0, 2, 3))
    got = [tensors[f"stem.norm/BatchNormalization.{kind}"] for kind in ("mean", "var")]
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-5)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-4)
    assert graph.node("stem.norm/BatchNormalization").inputs[3].const_value.numpy() == (
        pytest.approx(wanted[0], abs=1e-5)
    )


def test_a_later_normalisation_sees_what_an_earlier_one_became():
    _, tensors = recalibrate_batchnorm(conv_net(), frames(6), threads=1)
    again, second = recalibrate_batchnorm(
        with_numbers(conv_net(), tensors, subject="bn"), frames(6), threads=1
    )
    for key, array in tensors.items():
        np.testing.assert_allclose(second[key], array, atol=1e-4)
    assert again.nodes


def test_channels_that_remain_are_measured_after_a_cut(tmp_path):
    """A narrower stem changes what mix.norm sees; its convolution can be fitted, so it is not."""
    reference = Reference.make(tmp_path / "r", conv_net(), frames(6), threads=1)
    edited = narrow_channels(conv_net(), group="mix.one", keep=6)
    assert batchnorm_sites(edited, changed_nodes(edited, reference.graph), refitted=set()) != []
    compensation = fit_compensation(edited, reference, threads=1)
    assert "mix.norm/BatchNormalization.mean" in compensation.tensors
    assert compensation.tensors["mix.norm/BatchNormalization.mean"].shape == (6,)
    x = frames(1, seed=4)[0]
    assert np.isfinite(run(compensation.graph, x)).all()


def test_a_graph_without_normalisations_stays_as_it_is():
    graph, tensors = recalibrate_batchnorm(token_net(), frames(2), threads=1)
    assert tensors == {}
    x = frames(1)[0]
    np.testing.assert_array_equal(run(graph, x), run(token_net(), x))
