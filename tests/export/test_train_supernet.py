"""Training a tiny supernet: equal by seed, equal after a kill, and read by the import."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402
from supernet.data import read_patches, training_batch  # noqa: E402
from supernet.model import Supernet  # noqa: E402
from train_supernet import SMALL, main, named_subnets  # noqa: E402

from edgert.artifacts.lock import lock  # noqa: E402
from edgert.backends.onnxruntime import session_from_bytes  # noqa: E402
from edgert.build.derive import derive  # noqa: E402
from edgert.errors import ArtifactError  # noqa: E402
from edgert.families.ofa_checkpoint import read_supernet, stated_space  # noqa: E402
from edgert.families.ofa_resnet50 import edits, supernet_graph  # noqa: E402
from edgert.search.trial import serialised  # noqa: E402

pytestmark = pytest.mark.export
ROOT = Path(__file__).resolve().parents[2]
COLORS = {"blue": (40, 60, 200), "green": (50, 190, 60), "red": (210, 40, 50)}


@pytest.fixture(scope="module")
def patches(tmp_path_factory) -> Path:
    """Three colours with noise: easily learned."""
    folder, draw = tmp_path_factory.mktemp("patches"), np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8)):
        for name, color in COLORS.items():
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                noise = draw.normal(0, 40, (64, 64, 3))
                picture = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(picture).save(folder / split / name / f"{number}.png")
    return folder


def words(patches: Path, output: Path, *more: str) -> list[str]:
    return [str(patches), "-o", str(output), "--steps", "12", "--batch", "16", *more]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "supernet.safetensors")


@pytest.fixture(scope="module")
def trained(patches: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert main(words(patches, folder)) == 0
    return folder


def test_a_seed_gives_the_same_weights_and_another_seed_others(patches, trained, tmp_path):
    assert main(words(patches, tmp_path / "again")) == 0
    assert main(words(patches, tmp_path / "other", "--seed", "1")) == 0
    first, again = weights(trained), weights(tmp_path / "again")
    other = weights(tmp_path / "other")
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(
        first["classifier.linear.linear.weight"], other["classifier.linear.linear.weight"]
    )


def test_a_killed_training_ends_with_the_same_weights(patches, trained, tmp_path):
    code = (
        "import sys, train_supernet\n"
        "from supernet import training\n"
        "run = training.Training.run\n"
        "training.Training.run = "
        "lambda self, **more: run(self, every_s=0.0, **more)\n"
        "sys.exit(train_supernet.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, *words(patches, tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        kept = tmp_path / "out" / "training.pt"
        while process.poll() is None and not kept.is_file():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 0 < torch.load(kept, weights_only=True)["step"] < 12
    assert main(words(patches, tmp_path / "out")) == 0
    first, again = weights(trained), weights(tmp_path / "out")
    assert all(np.array_equal(first[key], again[key]) for key in first)


def test_one_that_is_stopped_keeps_every_step_and_ends_with_the_same_weights(
    patches, trained, tmp_path
):
    """Ctrl-C at any moment, twice: well before the first time that it keeps anything by itself."""
    code = (
        "import sys, signal, train_supernet\n"
        "tell = train_supernet._tell\n"
        "def told(step, *more):\n"
        "    print('step', step, flush=True)\n"
        "    tell(step, *more)\n"
        "train_supernet._tell = told\n"
        "sys.exit(train_supernet.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, *words(patches, tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])}
    reached = 0
    for _ in range(2):
        with subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            first = int(process.stdout.readline().split()[1])
            assert first == reached + 1
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said == "train_supernet: stopped; the same command goes on\n"
        reached = torch.load(tmp_path / "out" / "training.pt", weights_only=True)["step"]
        assert first <= reached < 12
    assert main(words(patches, tmp_path / "out")) == 0
    whole, again = weights(trained), weights(tmp_path / "out")
    assert all(np.array_equal(whole[key], again[key]) for key in whole)


def refused(arguments: list[str], capsys, *, status: int = 1) -> str:
    assert main(arguments) == status
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_another_recipe_does_not_go_on_with_it(patches, trained, capsys):
    line = refused([*words(patches, trained), "--seed", "7"], capsys)
    assert "go on with" in line
    assert "got seed 7 instead of 0. Give the same again" in line
    line = refused([*words(patches, trained), "--threads", "2"], capsys)
    assert "got threads 2 instead of 1. " in line


def test_other_pictures_do_not_go_on_with_it_though_there_are_as_many(
    patches, trained, tmp_path, capsys
):
    shutil.copytree(patches, tmp_path / "other")
    one = next((tmp_path / "other" / "train" / "red").iterdir())
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(one)
    line = refused(words(tmp_path / "other", trained), capsys)
    assert re.search(r"got patches 72 \(\w{12}\) instead of 72 \(\w{12}\)", line)


@pytest.mark.parametrize("keep", [0, 3000])
def test_a_damaged_training_is_told(patches, trained, tmp_path, capsys, keep):
    shutil.copytree(trained, tmp_path / "out")
    kept = tmp_path / "out" / "training.pt"
    kept.write_bytes(kept.read_bytes()[:keep])
    line = refused(words(patches, tmp_path / "out"), capsys)
    assert line.endswith(
        "expected a training that was kept here, got a damaged file, or one of another version. "
        "Remove it to start anew, or name another folder."
    )


def test_two_in_one_folder_are_refused(patches, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        lock(file, "test", expected="nobody", advice="none")
        line = refused(words(patches, tmp_path / "out"), capsys)
    assert "expected no other training there, got one that is at it" in line


def test_a_broken_picture_is_named(patches, tmp_path, capsys):
    shutil.copytree(patches, tmp_path / "patches")
    path = tmp_path / "patches" / "train" / "red" / "3.png"
    path.write_bytes(path.read_bytes()[:200])
    line = refused(words(tmp_path / "patches", tmp_path / "out"), capsys)
    assert f"{path}: expected a picture, got image file is truncated" in line


def test_one_alone_is_trained_as_the_supernet_was(patches, trained, tmp_path, capsys):
    """With other batches, what they do would be counted for the shape."""
    line = refused(
        [*words(patches, trained), "--batch", "8", "--alone", "smallest"], capsys, status=2
    )
    assert "expected --batch 16, as the supernet in" in line
    assert "got 8" in line
    for text in ("{", "{}"):
        (tmp_path / "training.json").write_text(text)
        line = refused([*words(patches, tmp_path), "--alone", "smallest"], capsys)
        assert str(tmp_path / "training.json") in line


def test_a_network_alone_stays_in_its_folder(patches, trained, capsys):
    words_alone = [*words(patches, trained), "--alone", "../../out: d=0 e=0.25 w=0 r=24"]
    assert "got '../../out'. Name it 'NAME: " in refused(words_alone, capsys, status=2)


@pytest.mark.parametrize("name", ["largest", "middle", "smallest"])
def test_what_is_imported_computes_what_was_trained(patches, trained, name):
    space = stated_space(trained / "supernet.safetensors")
    loaded = read_supernet(trained / "supernet.safetensors", space)
    subnet = named_subnets(space)[name]
    size = subnet.image_size
    steps = edits(space, subnet, base_image_size=size)
    graph = derive(supernet_graph(loaded, space, image_size=size), steps, subject=name)
    model = Supernet(space).eval()
    state = {key: torch.from_numpy(array) for key, array in loaded.items()}
    model.load_state_dict(state, strict=False)
    pictures = read_patches(patches / "val", space.image_sizes[-1])
    x, _ = training_batch(pictures, 1, seed=0, step=0)
    with torch.no_grad():
        x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear").contiguous()
        expected = model(x, subnet).numpy()
        others = model(x, named_subnets(space)["largest" if name != "largest" else "middle"])
    session = session_from_bytes(serialised(graph), threads=1)
    [got] = session.run({"pixel_values": x.numpy()}).values()
    session.close()
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(got - others.numpy()).max() > 1e-3 * np.abs(expected).max()


def test_it_learns(patches, tmp_path):
    """Colours are told apart after some steps: not by the untrained network."""
    folder = tmp_path / "out"
    assert main([str(patches), "-o", str(folder), "--steps", "60", "--batch", "16"]) == 0
    space = stated_space(folder / "supernet.safetensors")
    val = read_patches(patches / "val", space.image_sizes[-1])
    x, targets = training_batch(val, 48, seed=0, step=0)

    def right(model: Supernet) -> float:
        with torch.no_grad():  # in training mode: statistics of the batch itself
            said = model(x, space.largest()).argmax(dim=1)
        return float((said == targets).float().mean())

    untrained, model = Supernet(space), Supernet(space)
    model.load_state_dict(torch.load(folder / "training.pt", weights_only=True)["model"])
    assert right(model.train()) > 0.9 > right(untrained.train())


def test_one_alone_takes_the_supernets_time_and_trains_its_own_slice(patches, trained):
    assert main(words(patches, trained, "--alone", "smallest")) == 0
    folder = trained / "alone" / "smallest"
    report = json.loads((folder / "training.json").read_text())
    whole = json.loads((trained / "training.json").read_text())
    tried = json.loads((folder / "steps.json").read_text())
    assert tried["steps"] * tried["cpu_s_of_a_step"] == pytest.approx(whole["cpu_s"], rel=0.1)
    assert report["recipe"]["steps"] == tried["steps"] > 12
    torch.manual_seed(0)
    untouched = Supernet(stated_space(folder / "supernet.safetensors")).state_dict()
    key = "blocks.0.conv1.conv.conv.weight"
    got, was = weights(folder)[key], untouched[key].numpy()
    inside = SMALL.inside_width(0, SMALL.expands[0], 0)
    assert not np.array_equal(got[:inside], was[:inside])
    assert np.allclose(got[inside:], was[inside:], rtol=0.2)  # nothing but decay


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "-o", "out"], "read patches"),
        (["PATCHES", "-o", "out", "--alone", "huge"], "train alone"),
        (["PATCHES", "-o", "out", "--alone", "largest"], "Train the supernet first"),
        (["PATCHES", "-o", "out", "--alone", "mine: d=9 e=0.5 w=0 r=48"], "at depth"),
    ],
)
def test_bad_input_is_one_line(patches, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main([str(patches) if word == "PATCHES" else word for word in arguments]) in (1, 2)
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_classes_that_do_not_match_are_named(patches):
    with pytest.raises(ArtifactError, match="a folder for each class: blue, red"):
        read_patches(patches / "val", 32, labels=["blue", "red"])
