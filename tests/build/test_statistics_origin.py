"""Statistics are used for what they were measured of, and refused for anything else."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgert.artifacts import load_family, save_family
from edgert.build.derive import derive_configuration
from edgert.cli.main import main
from edgert.errors import PreconditionError
from edgert.records import Configuration
from edgert.surgery.batchnorm import Statistics, bytes_of_statistics, read_statistics
from edgert.surgery.load import load_graph
from tests.batchnorm_family import CUT, EDIT, make_batchnorm_family, write_pictures

SMALL = {"resize_input": {"height": 12, "width": 16}}


@pytest.fixture
def measured(tmp_path: Path, capsys) -> Path:
    """A family whose one configuration has its statistics."""
    cut = Configuration(name="cut", edits=[CUT, {EDIT: {"statistics": "recalibrated/cut.npz"}}])
    family = make_batchnorm_family(tmp_path / "family", [Configuration(name="full"), cut])
    pictures = write_pictures(tmp_path / "pictures", 6)
    assert main(["recalibrate", str(family), "--images", str(pictures), "--count", "6"]) == 0
    capsys.readouterr()
    return family


def derived(family: Path):
    folder = load_family(family)
    base = load_graph(folder.graph_path)
    [_, cut] = folder.family.configurations
    return derive_configuration(folder, cut, base=base, subject="derive cut")


def changed(family: Path, *, before: list) -> None:
    """Other edits in front of the same statistics."""
    read = load_family(family).family
    full, cut = read.configurations
    other = msgspec.structs.replace(cut, edits=[*before, cut.edits[-1]])
    written = msgspec.structs.replace(read, configurations=[full, other])
    save_family(family / "family.yaml", written)


def test_statistics_of_the_same_pass_wherever_the_family_lies(measured: Path, tmp_path: Path):
    derived(measured)
    shutil.copytree(measured, tmp_path / "elsewhere ü")
    derived(tmp_path / "elsewhere ü")


@pytest.mark.parametrize(
    "before",
    [[CUT, SMALL], [{"narrow_groups": {"widths": {"mix.one": 6}, "order": "prefix"}}]],
    ids=["size", "channels"],
)
def test_statistics_of_other_edits_are_refused_though_every_shape_fits(measured: Path, before):
    changed(measured, before=before)
    with pytest.raises(PreconditionError) as refused:
        derived(measured)
    assert str(refused.value) == (
        f"derive cut at edits[{len(before)}]: recalibrate_batchnorm from "
        f"{measured / 'recalibrated' / 'cut.npz'}: expected statistics that were measured of cut "
        "as it is, got those of other edits. Measure them again: edgert recalibrate FAMILY "
        "--images DIR."
    )


def test_statistics_of_another_model_are_refused(measured: Path):
    """As where a checkpoint is imported anew and the statistics are copied beside it."""
    read = load_family(measured).family
    base = msgspec.structs.replace(read.base, sha256="0" * 64)
    save_family(measured / "family.yaml", msgspec.structs.replace(read, base=base))
    folder = load_family(measured, verify=False)
    [_, cut] = folder.family.configurations
    with pytest.raises(PreconditionError, match="got those of another model"):
        derive_configuration(folder, cut, base=load_graph(folder.graph_path), subject="derive cut")


def test_what_was_refused_is_measured_again_by_the_advice(measured: Path, tmp_path: Path, capsys):
    old = read_statistics(measured / "recalibrated" / "cut.npz").tensors
    changed(measured, before=[CUT, SMALL])
    assert main(["verify", str(measured)]) == 1
    assert "got those of other edits" in capsys.readouterr().out
    pictures = ["--images", str(tmp_path / "pictures"), "--count", "6"]
    assert main(["recalibrate", str(measured), *pictures]) == 0
    derived(measured)
    new = read_statistics(measured / "recalibrated" / "cut.npz").tensors
    assert any(not np.allclose(old[key], new[key]) for key in old)


def test_statistics_that_say_nothing_of_themselves_pass(measured: Path):
    path = measured / "recalibrated" / "cut.npz"
    path.write_bytes(bytes_of_statistics(Statistics(read_statistics(path).tensors)))
    changed(measured, before=[CUT, SMALL])
    derived(measured)


@pytest.mark.parametrize(
    ("content", "got"),
    [(None, "no such file or directory"), (b"PK\x03\x04 cut", "a damaged one, or something else")],
)
def test_a_file_that_is_gone_or_damaged_is_one_plain_line(measured: Path, content, got: str):
    path = measured / "recalibrated" / "cut.npz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PreconditionError, match=f"statistics, got {got}. Measure them"):
        derived(measured)
