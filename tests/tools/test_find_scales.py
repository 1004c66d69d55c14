import find_scales
import msgspec
import numpy as np
import pytest
import yaml

from edgert.artifacts import load_family, save_family
from edgert.build.derive import derive_configuration
from edgert.records import Configuration
from edgert.surgery.load import load_graph
from edgert.surgery.precision import precision_of
from edgert.surgery.quantize import read_scales
from tests.tiny_family import INPUT_SHAPE


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        array = np.random.default_rng(index).standard_normal(INPUT_SHAPE).astype(np.float32)
        np.save(folder / f"{index}.npy", array)
    return folder


def found(tiny_family, frames, *words):
    return find_scales.main([str(tiny_family), "--calibration", str(frames), *words])


def test_entries_for_all_configurations_can_be_built(tiny_family, frames, capsys):
    assert found(tiny_family, frames) == 0
    entries = msgspec.convert(yaml.safe_load(capsys.readouterr().out), list[Configuration])
    assert [entry.name for entry in entries] == ["full-int8", "c2-int8", "c1-int8"]
    folder = load_family(tiny_family)
    base = load_graph(folder.graph_path)
    for entry in entries:
        graph = derive_configuration(folder, entry, base=base, subject="test")
        assert precision_of(graph) == "int8"
    # its own output is not quantised again
    made = [*folder.family.configurations, *entries]
    save_family(
        tiny_family / "family.yaml", msgspec.structs.replace(folder.family, configurations=made)
    )
    assert found(tiny_family, frames) == 0
    assert len(yaml.safe_load(capsys.readouterr().out)) == 3


def test_one_configuration_by_another_method(tiny_family, frames, capsys):
    assert (
        found(tiny_family, frames, "--method", "max", "--frames", "2", "--configuration", "c1")
        == 0
    )
    assert [entry["name"] for entry in yaml.safe_load(capsys.readouterr().out)] == ["c1-int8"]
    scales = read_scales(tiny_family / "quantized" / "c1.json")
    assert (scales.method, scales.frames) == ("max", 2)
    assert not (tiny_family / "quantized" / "full.json").exists()


def test_errors_are_one_line(tiny_family, frames, capsys):
    assert found(tiny_family, frames, "--configuration", "c9") == 2
    assert "a configuration among full, c2, c1" in capsys.readouterr().err
    assert found(tiny_family, frames / "none") == 1
    assert capsys.readouterr().err.startswith("find_scales: read calibration frames in")
