"""The published reference: networks of the package `ofa`, without its data loaders.

They import torchvision, and parts of torch that are gone; networks need none of that.
"""

import importlib
import sys
import types

import pytest

LOADERS = "ofa.utils.my_dataloader"
NETWORKS = "ofa.imagenet_classification.elastic_nn.networks.ofa_resnets"


def ofa_module(name):
    """A module of the package; the tests that need it are skipped where it is not installed."""
    if importlib.util.find_spec("ofa") is None:
        pytest.skip(
            "the package ofa is not installed: pip install --no-deps ofa", allow_module_level=True
        )
    sys.modules.setdefault(LOADERS, types.ModuleType(LOADERS))
    return importlib.import_module(name)


def random_supernet(torch, space):
    """The published supernet with random weights and random statistics, always the same."""
    torch.manual_seed(8)
    supernet = (
        ofa_module(NETWORKS)
        .OFAResNets(
            depth_list=list(space.depths),
            expand_ratio_list=list(space.expands),
            width_mult_list=list(space.width_multipliers),
        )
        .eval()
    )
    with torch.no_grad():
        for module in supernet.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    return supernet
