"""Files of BatchNorm statistics, and which graphs they belong to."""

import numpy as np
import pytest

from edgert.errors import PreconditionError
from edgert.surgery.batchnorm import (
    Statistics,
    bytes_of_statistics,
    read_statistics,
    statistics_of,
    with_statistics,
)
from tests.calibration.graphs import conv_net, token_net

MEAN, VAR = "stem.norm/BatchNormalization.mean", "stem.norm/BatchNormalization.var"


def test_statistics_come_back_from_a_file_and_go_into_the_graph(tmp_path):
    graph = conv_net()
    changed = {key: array + np.float32(0.25) for key, array in statistics_of(graph).items()}
    content = bytes_of_statistics(Statistics(changed, {"count": 7, "graph": "ab"}))
    assert content == bytes_of_statistics(Statistics(changed, {"graph": "ab", "count": 7}))
    (tmp_path / "s.npz").write_bytes(content)
    found = read_statistics(tmp_path / "s.npz")
    assert found.about == {"count": 7, "graph": "ab"}
    after = statistics_of(with_statistics(graph, found.tensors, subject="test"))
    assert list(after) == list(changed)
    for key, array in changed.items():
        np.testing.assert_array_equal(after[key], array)
        assert after[key].dtype == np.float32
    assert statistics_of(graph)[MEAN][0] == np.float32(0.1)  # unchanged


def test_a_file_of_nothing_but_tensors_is_taken(tmp_path):
    np.savez(tmp_path / "s.npz", **statistics_of(conv_net()))
    found = read_statistics(tmp_path / "s.npz")
    assert found.about == {}
    with_statistics(conv_net(), found.tensors, subject="test")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({MEAN: np.zeros(5, np.float32)}, rf"expected {MEAN} of shape \(8,\), got shape \(5,\)"),
        ({VAR: np.full(8, -1.0)}, f"finite numbers of 0 and more for {VAR}"),
        ({MEAN: np.full(8, np.inf)}, f"finite numbers for {MEAN}"),
        ({MEAN: np.array(["a"] * 8)}, f"finite numbers for {MEAN}"),
        ({MEAN: None}, rf"{MEAN} of shape \(8,\), got none of that key"),
        ({"x.mean": np.zeros(8)}, "a BatchNormalization for x.mean, got none of that name"),
    ],
)
def test_statistics_of_another_graph_are_refused_by_key_and_shapes(change, told):
    given = {**statistics_of(conv_net()), **change}
    given = {key: array for key, array in given.items() if array is not None}
    with pytest.raises(PreconditionError, match=told) as error:
        with_statistics(conv_net(), given, subject="recalibrate_batchnorm from a.npz")
    assert str(error.value).startswith("recalibrate_batchnorm from a.npz: expected ")
    assert "\n" not in str(error.value)


def test_a_graph_without_normalisations_has_no_statistics():
    assert statistics_of(token_net()) == {}


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 torn", b"text", "folder"])
def test_what_is_no_file_of_statistics_is_one_line(tmp_path, content):
    path = tmp_path / "s.npz"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(PreconditionError, match="edgert recalibrate FAMILY") as error:
        read_statistics(path)
    assert "\n" not in str(error.value)


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    content = bytes_of_statistics(Statistics(statistics_of(conv_net()), {}))
    path = tmp_path / "s.npz"
    for end in range(0, len(content) - 1, 37):
        path.write_bytes(content[:end])
        with pytest.raises(PreconditionError):
            read_statistics(path)
