"""resize_input among other edits, as family.yaml lists them: the order is the user's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive
from edgert.build.preflight import check_operators
from edgert.build.program import read_program
from edgert.build.targets import TensorRtTarget
from edgert.errors import BuildError, PreconditionError
from edgert.records import InputSpec
from edgert.search.trial import serialised
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.precision import precision_of

SMALLER = {"resize_input": {"height": 90, "width": 120}}
KEYS = {"sites": [{"attention": "stage1.block1.attention", "window": 2}]}
OTHERS = {
    "merge_linear": ({"merge_linear": {}}, 1e-5),
    "channels_first": ({"channels_first": {}}, 1e-5),
    "skip_residuals": ({"skip_residuals": {"branches": ["stage1.block2.attention"]}}, 1e-6),
    "replace_residuals": ({"replace_residuals": {"branches": ["stage4.block1.ffn"]}}, 1e-6),
    "narrow_groups": (
        {"narrow_groups": {"widths": {"stage4": 64}, "ranking": "ranking.json"}},
        1e-6,
    ),
    "merge_keys": ({"merge_keys": KEYS}, 1e-5),
    "lower_precision": ({"lower_precision": {"to": "fp16"}}, 0.02),
}


@pytest.fixture(scope="module")
def base(bundled_family: Path):
    return load_graph(bundled_family / "base.onnx")


def outputs(graph, seed=0):
    session = session_from_bytes(serialised(graph), threads=1)
    x = np.random.default_rng(seed).standard_normal((1, 3, 360, 480), dtype=np.float32)
    [y] = (np.array(value) for value in session.run({"pixel_values": x}).values())
    session.close()
    return y


FEW = ("merge_linear", "merge_keys", "narrow_groups")
ALL = [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in sorted(OTHERS)]


@pytest.mark.parametrize("name", ALL)
def test_it_goes_before_and_after_every_other_edit(base, bundled_family: Path, name: str):
    edit, tolerance = OTHERS[name]
    before, after = (
        derive(base, edits, subject="t", folder=bundled_family)
        for edits in ([SMALLER, edit], [edit, SMALLER])
    )
    assert cost_of(before).macs == cost_of(after).macs < 0.06 * cost_of(base).macs
    assert precision_of(before) == precision_of(after)
    one, other = outputs(before), outputs(after)
    scale = np.abs(one).max()
    assert one.shape == (1, 11, 90, 120)
    assert np.abs(one - other).max() <= tolerance * scale
    assert np.abs(outputs(before, seed=1) - one).max() > 10 * tolerance * scale


def test_fitted_numbers_serve_every_size(bundled_family: Path, base):
    family = load_family(bundled_family)
    edits = list(family.family.configurations[1].edits)
    fit = next(edit for edit in edits if "compensate" in edit)
    edits.remove({"channels_first": {}})
    assert edits[-1] == fit
    resized_last = derive(base, [*edits, SMALLER], subject="t", folder=bundled_family)
    fitted_last = derive(base, [*edits[:-1], SMALLER, fit], subject="t", folder=bundled_family)
    one, other = outputs(resized_last), outputs(fitted_last)
    assert np.abs(one - other).max() < 1e-5 * np.abs(one).max()


def test_tensorrt_takes_what_is_put_in(base, tmp_path: Path):
    save_graph(derive(base, [SMALLER], subject="t"), tmp_path / "m.onnx")
    assert check_operators(read_program(tmp_path / "m.onnx"), TensorRtTarget()) == []


def test_a_fit_behind_it_is_refused_in_one_line(tiny_family: Path):
    folder = tiny_family / "frames"
    folder.mkdir()
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    graph = load_graph(tiny_family / "base.onnx")
    skip = {"skip_residuals": {"branches": ["block2.mix"]}}
    smaller = {"resize_input": {"height": 18, "width": 24}}
    fit = {"compensate": {"calibration": "frames"}}
    given = {
        "subject": "derive c1",
        "folder": tiny_family,
        "input_spec": InputSpec(name="pixel_values", shape=(1, 3, 24, 32)),
    }
    with pytest.raises(PreconditionError) as caught:
        derive(graph, [skip, smaller, fit], **given)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("derive c1 at edits[2]: compensate: expected values of the full")
    assert "Put compensate before resize_input" in message
    derive(graph, [skip, fit, smaller], **given)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"height": 8}, "expected parameters height, width, got no 'width'"),
        ({"height": 8, "width": "half"}, r"resize_input\.width: expected int, got 'half'"),
        ({"height": 8, "width": 8, "mode": "nearest"}, "got 'mode'"),
    ],
)
def test_a_wrong_edit_is_one_line(tiny_family: Path, parameters: dict, line: str):
    graph = load_graph(tiny_family / "base.onnx")
    with pytest.raises(BuildError, match=line) as caught:
        derive(graph, [{"resize_input": parameters}], subject="derive x")
    assert "\n" not in str(caught.value)


def test_an_impossible_size_says_where_it_was_written(tiny_family: Path):
    graph = load_graph(tiny_family / "base.onnx")
    with pytest.raises(PreconditionError, match=r"^derive x at edits\[0\]: resize_input to 3 x 3"):
        derive(graph, [{"resize_input": {"height": 3, "width": 3}}], subject="derive x")
