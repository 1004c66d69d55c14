"""Statistics of the normalisations that a fit measures anew."""

import numpy as np
import pytest

from edgert.calibration.activations import Activations
from edgert.calibration.batchnorm import BatchNormSite, batchnorm_sites, measured_statistics
from edgert.calibration.fit import fit_compensation
from edgert.calibration.reference import Reference
from edgert.calibration.sites import changed_nodes
from edgert.surgery.narrow_channels import narrow_channels
from tests.calibration.graphs import conv_net, frames, run


def test_a_site_s_statistics_are_those_of_all_its_values():
    graph, inputs = conv_net(), frames(6)
    node = graph.node("stem.norm/BatchNormalization")
    activations = Activations(graph, inputs, threads=1)
    activations.compute([node.inputs[0]])
    values = activations[node.inputs[0]]
    stacked = np.concatenate(values).astype(np.float64)
    tensors = measured_statistics(graph, BatchNormSite(node), values)
    wanted = stacked.mean(axis=(0, 2, 3)), stacked.var(axis=(0, 2, 3))
    got = [tensors[f"stem.norm/BatchNormalization.{kind}"] for kind in ("mean", "var")]
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-5)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-4)
    assert node.inputs[3].const_value.numpy() == pytest.approx(wanted[0], abs=1e-5)


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
