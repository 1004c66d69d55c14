"""Statistics of normalisations against torch: a residual network in its own training mode.

The published package's own procedure on its own supernet is held against ours where both are at
hand; see `test_ofa_recalibration.py`.
"""

import numpy as np
import pytest

from edgert.calibration.recalibration import measure_statistics
from edgert.surgery.batchnorm import statistics_of, with_statistics
from edgert.surgery.load import load_graph
from tests.surgery.sessions import session_of

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")

TOLERANCE = 1e-3
SIZE, PICTURES, BATCH = 32, 22, 8


class Block(torch.nn.Module):
    """A bottleneck whose shortcut pools, projects and normalises, as ResNet-50D's."""

    def __init__(self, into, inside, out, stride):
        super().__init__()
        layers, nn = [], torch.nn
        for i, o, kernel, step in ((into, inside, 1, 1), (inside, inside, 3, stride)):
            conv = nn.Conv2d(i, o, kernel, step, kernel // 2, bias=False)
            layers += [conv, nn.BatchNorm2d(o), nn.ReLU()]
        self.main = nn.Sequential(
            *layers, nn.Conv2d(inside, out, 1, bias=False), nn.BatchNorm2d(out)
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride, stride), nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out)
        )

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def network():
    nn = torch.nn
    torch.manual_seed(4)
    made = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Block(16, 8, 24, 1), Block(24, 12, 40, 2), Block(40, 16, 48, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 5),
    )  # fmt: skip
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
    return made.eval()


def pictures():
    random = np.random.default_rng(0)
    light = random.standard_normal((PICTURES, 3, 1, 1)) * 1.5
    noise = random.standard_normal((PICTURES, 3, SIZE, SIZE))
    return (noise + light).astype(np.float32)


def reference(model, frames, size):
    """Weighted averages of each batch's mean and biased variance, torch normalising by them."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    order, sums = [], {}

    def record(module, inputs):
        x = inputs[0].double()
        found = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        if module not in sums:
            order.append(module)
            sums[module] = [0, 0]
        for index, numbers in enumerate(found):
            sums[module][index] = sums[module][index] + len(x) / len(frames) * numbers

    hooks = [module.register_forward_pre_hook(record) for module in norms]
    for module in norms:
        module.momentum = 0.0  # its own running statistics stay what they are
    with torch.no_grad():
        model.train()
        for first in range(0, len(frames), size):
            model(torch.from_numpy(frames[first : first + size]))
        model.eval()
    for hook in hooks:
        hook.remove()
    return [(sums[m][0].numpy(), sums[m][1].numpy(), m) for m in order]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The graph of a network, and that network."""
    path = tmp_path_factory.mktemp("export") / "net.onnx"
    model = network()
    with pytest.warns(Warning):  # noqa: PT030 - the exporter's own, of several kinds
        torch.onnx.export(
            model, (torch.zeros(1, 3, SIZE, SIZE),), str(path), dynamo=False, opset_version=17,
            input_names=["pixels"], output_names=["logits"],
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # else torch merges the normalisations
        )  # fmt: skip
    return load_graph(path), model


def batches_of(frames, size):
    return [
        [frame[None] for frame in frames[first : first + size]]
        for first in range(0, len(frames), size)
    ]


def largest_difference(tensors, wanted):
    """Of a mean over the wanted deviation, of a variance over the wanted variance."""
    arrays = list(tensors.values())
    assert len(arrays) == 2 * len(wanted)
    found = 0.0
    for (mean, variance, _), got_mean, got_var in zip(
        wanted, arrays[::2], arrays[1::2], strict=True
    ):
        found = max(found, np.abs((got_mean - mean) / np.sqrt(variance)).max())
        found = max(found, np.abs(got_var / variance - 1).max())
    return found


def by_execution(graph, tensors):
    """Graph order may run a shortcut first; torch's order is that of the main branch first."""
    return dict(sorted(tensors.items(), key=lambda item: _module_of(item[0])))


def _module_of(key):
    """ "3/main/main.1/BatchNormalization.mean" gives block, branch, place; the mean first."""
    parts = [
        p for p in key.replace("/", ".").split(".") if p.isdigit() or p in ("main", "shortcut")
    ]
    return [int(p) if p.isdigit() else {"main": 0, "shortcut": 100}[p] for p in parts]


@pytest.mark.parametrize("size", [BATCH, PICTURES, 1])
def test_statistics_are_torch_s(exported, size):
    graph, model = exported
    frames = pictures()
    wanted = reference(model, frames, size)
    tensors = measure_statistics(graph, batches_of(frames, size), threads=1)
    assert largest_difference(by_execution(graph, tensors), wanted) < TOLERANCE


def test_old_statistics_and_those_of_other_batches_are_told_apart(exported):
    graph, model = exported
    frames = pictures()
    wanted = reference(model, frames, BATCH)
    old = by_execution(graph, statistics_of(graph))
    together = measure_statistics(graph, batches_of(frames, PICTURES), threads=1)
    assert largest_difference(old, wanted) > 10 * TOLERANCE
    assert largest_difference(by_execution(graph, together), wanted) > 10 * TOLERANCE


def test_the_graph_answers_as_torch_does_with_these_statistics(exported):
    graph, model = exported
    frames = pictures()
    wanted = reference(model, frames, BATCH)
    tensors = measure_statistics(graph, batches_of(frames, BATCH), threads=1)
    session = session_of(with_statistics(graph, tensors, subject="test"), threads=1)
    (got,) = session.run(["logits"], {"pixels": frames[:1]})
    with torch.no_grad():
        before = model(torch.from_numpy(frames[:1])).numpy()
        for mean, variance, module in wanted:
            module.running_mean.copy_(torch.from_numpy(mean))
            module.running_var.copy_(torch.from_numpy(variance))
        expected = model(torch.from_numpy(frames[:1])).numpy()
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(got - before).max() > 1e-2 * np.abs(expected).max()
