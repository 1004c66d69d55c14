"""The import tool as a user runs it, on small supernets and networks cut from them."""

import dataclasses
import re
import shlex
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("safetensors", reason="the package safetensors is missing")

import import_ofa

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import reference_session
from edgert.build.derive import derive
from edgert.families.ofa_resnet50 import note, subnet_from_text
from edgert.families.ofa_space import Space
from edgert.families.ofa_space_file import read_space
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from tests.families.ofa_folders import write_specialised, write_supernet
from tests.families.ofa_networks import SMALL, random_weights, reference_logits
from tests.runtime.small_disk import run_on_small_disk

WEIGHTS = random_weights(SMALL)
SLACK = 1e-5


@pytest.fixture
def checkpoint(tmp_path):
    return write_supernet(tmp_path / "supernet.safetensors", weights=WEIGHTS)


def imported(output, *words, code=0):
    assert import_ofa.main([*map(str, words), "-o", str(output)]) == code
    return output


def pixels(size):
    return np.random.default_rng(2).standard_normal((1, 3, size, size)).astype(np.float32)


def distance(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def test_a_supernet_becomes_a_family_of_its_corners(tmp_path, checkpoint, capsys):
    output = imported(tmp_path / "engines" / "small", checkpoint)
    assert "small-resnet, 9 subnets" in capsys.readouterr().out
    assert {path.name for path in output.iterdir()} == {
        "base.onnx",
        "base.weights",
        "family.yaml",
        "space.json",
        "README.md",
    }
    assert read_space(output / "space.json") == SMALL
    family = load_family(output).family
    assert (family.task, family.name) == ("classification", "small")
    assert family.labels == [f"class {index}" for index in range(5)]
    assert family.input.shape == (1, 3, 36, 36)
    assert (family.configurations[0].name, family.configurations[0].edits) == ("full", [])
    assert family.configurations[-1].name == "d0-e0.3-w0.5-r20"
    assert {"resize_input": {"height": 20, "width": 20}} in family.configurations[-1].edits


def test_every_configuration_answers_as_its_subnet_does(tmp_path, checkpoint):
    output = imported(tmp_path / "small", checkpoint)
    base = load_graph(output / "base.onnx")
    costs = []
    for configuration in load_family(output).family.configurations[:-1]:  # the last one is smaller
        subnet = subnet_from_text(configuration.note, SMALL)
        assert note(subnet) == configuration.note
        graph = derive(base, configuration.edits, subject=configuration.name)
        save_graph(graph, tmp_path / "derived.onnx")
        session = reference_session(tmp_path / "derived.onnx")
        (logits,) = session.run({"pixel_values": pixels(36)}).values()
        assert distance(logits, reference_logits(WEIGHTS, SMALL, subnet, pixels(36))) < SLACK
        session.close()
        costs.append(cost_of(graph).macs)
    assert costs == sorted(costs, reverse=True)
    card = (output / "README.md").read_text(encoding="utf-8")
    told = [float(x) for x in re.findall(r"^\| .* \| .* \| ([\d.]+) \| [\d.]+ \|$", card, re.M)]
    assert told[:-1] == [round(macs / 1e9, 3) for macs in costs]
    assert told[-1] < told[0]


def test_named_subnets_and_those_of_a_file(tmp_path, checkpoint):
    listed = tmp_path / "subnets.yaml"
    listed.write_text("- {name: mid, d: 1, e: 0.5, w: 1, image_size: 24}\n", encoding="utf-8")
    words = ["--subnet", "tiny d=0 e=0.3 w=0 r=24", "--subnets", str(listed), "--image-size", "24"]
    output = imported(tmp_path / "small", checkpoint, *words)
    family = load_family(output).family
    assert [c.name for c in family.configurations] == ["full", "mid", "tiny"]
    assert family.input.shape == (1, 3, 24, 24)


def test_labels_name_and_licence_are_written(tmp_path, checkpoint):
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\nroad\ncar\ntree\nsign\n", encoding="utf-8")
    words = ["--labels", labels, "--name", "mine", "--license", "MIT"]
    output = imported(tmp_path / "engines" / "small", checkpoint, *words)
    family = load_family(output).family
    assert (family.name, family.license) == ("mine", "MIT")
    assert family.labels == ["sky", "road", "car", "tree", "sign"]
    card = (output / "README.md").read_text(encoding="utf-8")
    assert "# mine" in card
    assert "Terms: MIT." in card
    assert "The whole frame is stretched to the square" in card
    assert "edgert recalibrate FAMILY --images DIR --add" in card


def test_specialised_networks_become_one_family_of_several_models(tmp_path, capsys):
    subnets = {"little": SMALL.smallest(), "large": SMALL.largest(), "deep": SMALL.largest(24)}
    folders = [
        write_specialised(tmp_path / "nets" / name, SMALL, subnet, WEIGHTS)
        for name, subnet in subnets.items()
    ]
    output = imported(tmp_path / "family", "--specialised", *folders)
    assert "3 specialised networks" in capsys.readouterr().out
    family = load_family(output).family
    assert [(c.name, c.model) for c in family.configurations] == [
        ("large", ""),
        ("deep", "deep"),
        ("little", "little"),
    ]
    assert [(m.name, m.input.height) for m in family.models] == [("deep", 24), ("little", 20)]
    assert family.input.height == 36
    files = {"large": "base.onnx", "deep": "deep.onnx", "little": "little.onnx"}
    for name, subnet in subnets.items():
        session = reference_session(output / files[name])
        (logits,) = session.run({"pixel_values": pixels(subnet.image_size)}).values()
        expected = reference_logits(WEIGHTS, SMALL, subnet, pixels(subnet.image_size))
        assert distance(logits, expected) < SLACK
        session.close()


def test_of_ofa_resnet50_pictures_are_cut_as_published_and_of_others_stretched():
    assert import_ofa.usual_crop(Space()) == 0.875
    for other in (SMALL, Space(name="ofa-resnet50", classes=10)):
        assert import_ofa.usual_crop(other) is msgspec.UNSET


@pytest.mark.parametrize(
    ("words", "crop", "told"),
    [
        ([], msgspec.UNSET, "The whole frame is stretched"),
        (["--crop", "none"], msgspec.UNSET, "The whole frame is stretched"),
        (["--crop", "0.875"], 0.875, "brought to 1/0.875 of the network"),
        (["--crop", "1"], 1.0, "brought to 1/1 of the network"),
    ],
)
def test_the_cut_of_a_supernet_s_pictures(tmp_path, checkpoint, capsys, words, crop, told):
    words = ["--subnet", "tiny d=0 e=0.3 w=0 r=24", *words]
    output = imported(tmp_path / "small", checkpoint, *words)
    assert load_family(output).family.input.crop == crop
    assert told in (output / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "crop"), [([], 0.875), (["--crop", "none"], msgspec.UNSET), (["--crop", "0.9"], 0.9)]
)
def test_the_cut_of_specialised_networks_pictures_is_one_for_all(tmp_path, capsys, words, crop):
    folders = [
        write_specialised(tmp_path / "nets" / name, SMALL, subnet, WEIGHTS)
        for name, subnet in {"little": SMALL.smallest(), "large": SMALL.largest()}.items()
    ]
    output = imported(tmp_path / "family", "--specialised", *folders, *words)
    family = load_family(output).family
    assert [family.input.crop, *(model.input.crop for model in family.models)] == [crop] * 2


@pytest.mark.parametrize("wrong", ["0", "1.2", "half", "nan", "256", ""])
def test_a_cut_that_is_no_share_is_wrong_usage(tmp_path, checkpoint, capsys, wrong):
    with pytest.raises(SystemExit) as caught:
        import_ofa.main([str(checkpoint), "--crop", wrong, "-o", str(tmp_path / "out")])
    assert caught.value.code == 2
    told = f"expected a ratio from 0.1 to 1, as 0.875 for 224 of 256, or none, got {wrong!r}"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def refused(capsys, tmp_path, *words, code):
    imported(tmp_path / "out", *words, code=code)
    line = capsys.readouterr().err
    assert line.count("\n") == 1, line
    assert "Traceback" not in line
    assert not [path for path in tmp_path.iterdir() if "out" in path.name and path.is_dir()]
    return line


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--subnet", "d=9 e=0.3 w=0 r=24"], 2, "depth[0]: expected one of 0, 1, 2, got 9"),
        (["--subnet", "d=0 e=0.3 w=0"], 2, "no r"),
        (["--image-size", "100"], 2, "image_size[0]"),
        (["--subnets", "none.yaml"], 2, "none.yaml"),
        (["--labels", "none.txt"], 2, "none.txt"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, checkpoint, capsys, words, code, told):
    assert told in refused(capsys, tmp_path, checkpoint, *words, code=code)


def test_too_few_labels_are_refused(tmp_path, checkpoint, capsys):
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\n", encoding="utf-8")
    line = refused(capsys, tmp_path, checkpoint, "--labels", labels, code=2)
    assert "expected 5 labels, one on each line, got 1" in line


def test_one_name_for_two_subnets_is_refused(tmp_path, checkpoint, capsys):
    listed = tmp_path / "subnets.yaml"
    listed.write_text("- {name: tiny, d: 1, e: 0.5, w: 1, image_size: 24}\n", encoding="utf-8")
    words = ["--subnet", "tiny d=0 e=0.3 w=0 r=24", "--subnets", listed]
    assert "'tiny' in both" in refused(capsys, tmp_path, checkpoint, *words, code=2)


def test_an_untrained_checkpoint_is_refused(tmp_path, capsys):
    zeros = {key: np.zeros_like(array) for key, array in WEIGHTS.items()}
    path = write_supernet(tmp_path / "zeros.safetensors", weights=zeros)
    assert "tell classes apart" in refused(capsys, tmp_path, path, code=1)


def test_specialised_networks_of_other_classes_or_one_name_are_refused(tmp_path, capsys):
    other = random_weights(SMALL, seed=1)
    other["classifier.linear.linear.weight"] = other["classifier.linear.linear.weight"][:3]
    other["classifier.linear.linear.bias"] = other["classifier.linear.linear.bias"][:3]
    three = dataclasses.replace(SMALL, classes=3)
    nets = tmp_path / "nets"
    one = write_specialised(nets / "one", SMALL, SMALL.smallest(), WEIGHTS)
    few = write_specialised(nets / "few", three, three.smallest(), other)
    twin = write_specialised(nets / "twin" / "one", SMALL, SMALL.largest(), WEIGHTS)
    line = refused(capsys, tmp_path, "--specialised", one, few, code=1)
    assert "expected 5 classes, got 3" in line
    line = refused(capsys, tmp_path, "--specialised", one, twin, code=2)
    assert "names of their own" in line


def test_an_existing_output_is_left_alone(tmp_path, checkpoint, capsys):
    (tmp_path / "there").mkdir()
    imported(tmp_path / "there", checkpoint, code=2)
    assert "not there yet" in capsys.readouterr().err
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize(
    "words", [[], ["net.pth", "--specialised", "a"], ["--specialised", "a", "--subnet", "d=0"]]
)
def test_a_command_that_says_too_little_or_too_much_is_wrong_usage(tmp_path, words, capsys):
    with pytest.raises(SystemExit) as caught:
        import_ofa.main([*words, "-o", str(tmp_path / "out")])
    assert caught.value.code == 2
    capsys.readouterr()


def test_a_name_that_no_family_can_have_is_told_before_anything_is_read(tmp_path, capsys):
    """Else the family would be written, and nobody could open it."""
    line = refused(capsys, tmp_path, "none.safetensors", "--name", "my net", code=2)
    assert line.startswith(
        f"import_ofa: name the family of {tmp_path / 'out'}: expected up to 80 "
    )
    assert line.endswith("got 'my net'. Give it another with --name.\n")
    import_ofa.main(["none.safetensors", "-o", str(tmp_path / "out für alle")])
    assert "got 'out für alle'" in capsys.readouterr().err


def test_the_next_command_can_be_copied_whatever_the_folder_is_called(
    tmp_path, checkpoint, capsys
):
    imported(tmp_path / "my engines", checkpoint, "--name", "mine")
    next_command = capsys.readouterr().out.partition("of their own: ")[2]
    assert shlex.split(next_command)[:3] == ["edgert", "recalibrate", str(tmp_path / "my engines")]
    assert load_family(tmp_path / "my engines").family.name == "mine"


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path):
    done = run_on_small_disk(Path(__file__).with_name("full_disk_import.py"), tmp_path, size="1m")
    [line, listed] = done.stdout.splitlines()
    assert line == (
        f"1: import_ofa: write {tmp_path / 'family'}: expected room on the disk, got no space "
        "left on device. Free some space and start again; nothing was replaced."
    )
    assert listed == "['.family.lock']"
