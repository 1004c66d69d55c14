"""The export tool: a tiny random SegFormer, as every generation of transformers would store it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import reference_session
from edgert.errors import VerificationError
from edgert.families.segformer import branch_names
from edgert.surgery.graph import save_graph, scope_of
from edgert.surgery.load import load_graph

pytestmark = pytest.mark.export
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402 - after the skip

from edgert.families.segformer_checkpoint import read_checkpoint  # noqa: E402
from edgert.families.segformer_export import (  # noqa: E402
    largest_difference_ratio,
    write_graph,
)
from tools.export_segformer import main, parity_inputs  # noqa: E402

SIZE = ["--height", "64", "--width", "96"]

# Today's keys back to those of transformers 4, written down apart from the code under test.
OLDER_KEYS = [
    (r"segformer\.stages\.(\d)\.patch_embeddings", r"segformer.encoder.patch_embeddings.\1"),
    (r"segformer\.stages\.(\d)\.layer_norm", r"segformer.encoder.layer_norm.\1"),
    (r"segformer\.stages\.(\d)\.blocks\.", r"segformer.encoder.block.\1."),
    (r"attention\.q_proj", "attention.self.query"),
    (r"attention\.k_proj", "attention.self.key"),
    (r"attention\.v_proj", "attention.self.value"),
    (r"attention\.sequence_reduction\.sequence_reduction", "attention.self.sr"),
    (r"attention\.sequence_reduction\.layer_norm", "attention.self.layer_norm"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"mlp\.fc1", "mlp.dense1"),
    (r"mlp\.fc2", "mlp.dense2"),
    (r"layernorm_before", "layer_norm_1"),
    (r"layernorm_after", "layer_norm_2"),
    (r"decode_head\.linear_projections", "decode_head.linear_c"),
]


def older(key):
    for pattern, replacement in OLDER_KEYS:
        key = re.sub(pattern, replacement, key)
    return key


def today(key):
    return key


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    described = transformers.SegformerConfig(
        depths=[1, 2, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        num_attention_heads=[1, 2, 3, 4],
        decoder_hidden_size=20,
        id2label={0: "road", 1: "sky", 2: "car"},
        label2id={"road": 0, "sky": 1, "car": 2},
        architectures=["SegformerForSemanticSegmentation"],
    )
    network = transformers.SegformerForSemanticSegmentation(described).eval()
    with torch.no_grad():  # random weights of a size that makes every branch count
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.2)
    return network


def write_checkpoint(folder, model, key_style=today, **changes):
    folder.mkdir()
    settings = {**model.config.to_dict(), **changes}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    tensors = {key_style(key): value.contiguous() for key, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def run(graph, tensor):
    session = reference_session(graph)
    try:
        (logits,) = session.run({"pixel_values": tensor}).values()
        return np.array(logits)
    finally:
        session.close()


@pytest.mark.parametrize("key_style", [today, older])
@pytest.mark.parametrize("opset", [17, 18, 20])
def test_exported_family_answers_like_transformers(tmp_path, model, key_style, opset, capsys):
    folder = write_checkpoint(tmp_path / "tiny", model, key_style)
    output = tmp_path / "engines" / "tiny-family"
    assert main([str(folder), "-o", str(output), "--opset", str(opset), *SIZE]) == 0
    assert "equal to the checkpoint within" in capsys.readouterr().out
    assert {path.name for path in output.iterdir()} == {
        "README.md", "base.onnx", "base.weights", "family.yaml",
    }  # fmt: skip
    family = load_family(output).family
    assert family.labels == ["road", "sky", "car"]
    assert family.input.shape == (1, 3, 64, 96)
    assert family.configurations[0].edits == [{"merge_linear": {}}]
    graph = load_graph(output / "base.onnx")
    assert graph.model.opset_imports[""] == opset
    scopes = {scope_of(node) for node in graph.nodes}
    for branch in branch_names((1, 2, 1, 1)):
        assert any(scope.startswith(f"{branch}.") for scope in scopes), branch
    tensor = np.random.default_rng(5).standard_normal((1, 3, 64, 96), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(tensor)).logits.numpy()
    assert (
        np.abs(run(output / "base.onnx", tensor) - expected).max() < 1e-5 * np.abs(expected).max()
    )


def test_keys_as_transformers_saves_them_today_are_read(tmp_path, model):
    model.save_pretrained(tmp_path / "saved")
    loaded = read_checkpoint(tmp_path / "saved", 64, 96).model
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[key]), key


@pytest.mark.parametrize("key_style", [today, older])
def test_weights_equal_what_transformers_own_loader_gives(tmp_path, model, key_style):
    folder = write_checkpoint(tmp_path / "tiny", model, key_style)
    theirs = transformers.SegformerForSemanticSegmentation.from_pretrained(folder).state_dict()
    ours = read_checkpoint(folder, 64, 96).model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_equal_input_gives_equal_bytes(tmp_path, model):
    folder = write_checkpoint(tmp_path / "tiny", model)
    for name in ("one", "two"):
        assert main([str(folder), "-o", str(tmp_path / name / "tiny"), *SIZE]) == 0
    for file in ("base.onnx", "base.weights", "family.yaml", "README.md"):
        assert (tmp_path / "one/tiny" / file).read_bytes() == (
            tmp_path / "two/tiny" / file
        ).read_bytes(), file
    content = (tmp_path / "one/tiny/base.onnx").read_bytes()
    for trace in (str(tmp_path).encode(), b"torch", b".py", b"onnx::", b"site-packages"):
        assert trace not in content


def test_the_dynamo_exporters_graph_gets_the_same_names(tmp_path, model):
    pytest.importorskip("onnxscript")
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "tiny", model), 64, 96)
    write_graph(checkpoint, tmp_path / "base.onnx", opset=18)
    from edgert.families.segformer_names import with_paper_names

    with pytest.warns(Warning):  # noqa: PT030 - the exporter's own, of several kinds
        torch.onnx.export(
            model, (torch.zeros(1, 3, 64, 96),), str(tmp_path / "dynamo.onnx"), dynamo=True,
            opset_version=18, external_data=False, verbose=False,
        )  # fmt: skip
    named = with_paper_names(load_graph(tmp_path / "dynamo.onnx"))
    torchscript = load_graph(tmp_path / "base.onnx")
    weights = {n for n in named.model.graph.initializers if n.endswith((".weight", ".bias"))}
    assert weights == {
        n for n in torchscript.model.graph.initializers if n.endswith((".weight", ".bias"))
    }
    save_graph(named, tmp_path / "named.onnx")
    tensor = np.random.default_rng(1).standard_normal((1, 3, 64, 96), np.float32)
    expected = run(tmp_path / "base.onnx", tensor)
    assert (
        np.abs(run(tmp_path / "named.onnx", tensor) - expected).max()
        < 1e-5 * np.abs(expected).max()
    )


def test_the_parity_check_notices_a_perturbed_weight(tmp_path, model):
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "tiny", model), 64, 96)
    graph = tmp_path / "base.onnx"
    write_graph(checkpoint, graph, opset=18)
    inputs = parity_inputs(checkpoint.input, None)
    assert largest_difference_ratio(graph, checkpoint, inputs) <= 1e-5
    with torch.no_grad():
        checkpoint.model.state_dict()["decode_head.linear_fuse.weight"][0, 0] *= 1.01
    with pytest.raises(VerificationError, match="Nothing was written"):
        largest_difference_ratio(graph, checkpoint, inputs)


def test_the_parity_check_notices_nan(tmp_path, model):
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "tiny", model), 64, 96)
    write_graph(checkpoint, tmp_path / "base.onnx", opset=18)
    inputs = parity_inputs(checkpoint.input, None)
    inputs[1][:] = np.nan
    with pytest.raises(VerificationError, match="got nan"):
        largest_difference_ratio(tmp_path / "base.onnx", checkpoint, inputs)


def test_preprocessing_and_size_come_from_preprocessor_config(tmp_path, model):
    folder = write_checkpoint(tmp_path / "tiny", model)
    content = {
        "size": {"height": 64, "width": 128},
        "do_rescale": True,
        "rescale_factor": 0.5,
        "image_mean": [1, 2, 3],
        "image_std": [4, 5, 6],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(content), encoding="utf-8")
    spec = read_checkpoint(folder).input
    assert (spec.shape, spec.scale) == ((1, 3, 64, 128), 0.5)
    assert (spec.mean, spec.std) == ((1, 2, 3), (4, 5, 6))
    content.update(do_rescale=False, do_normalize=False, size=96)
    (folder / "preprocessor_config.json").write_text(json.dumps(content), encoding="utf-8")
    spec = read_checkpoint(folder, width=64).input
    assert (spec.shape, spec.scale, spec.std) == ((1, 3, 96, 64), 1.0, (1, 1, 1))


def test_without_preprocessor_config_it_is_imagenets(tmp_path, model):
    spec = read_checkpoint(write_checkpoint(tmp_path / "tiny", model)).input
    assert spec.shape == (1, 3, 512, 512)
    assert spec.mean == (0.485, 0.456, 0.406)
    assert spec.scale == pytest.approx(1 / 255)


def labelled_frames(folder, largest_label):
    pillow = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(2)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for name in ("a.png", "b.png"):
        picture = random.integers(0, 256, (64, 96, 3), np.uint8)
        pillow.fromarray(picture).save(folder / "images" / name)
        labels = random.integers(0, largest_label + 1, (64, 96)).astype(np.uint8)
        pillow.fromarray(labels).save(folder / "labels" / name)
    return folder


def test_accuracy_on_a_dataset_goes_into_the_family_and_the_card(tmp_path, model):
    folder = write_checkpoint(tmp_path / "tiny", model)
    frames = labelled_frames(tmp_path / "scenes", 3)
    arguments = ["--dataset", str(frames), "--dataset-name", "Scenes", "--ignore-label", "3"]
    assert main([str(folder), "-o", str(tmp_path / "out"), *SIZE, *arguments]) == 0
    accuracy = load_family(tmp_path / "out").family.configurations[0].accuracy
    assert (accuracy.metric, accuracy.frames, accuracy.dataset) == ("miou", 2, "Scenes")
    assert 0 < accuracy.value < 0.5  # random weights on random labels
    assert "2 frames of Scenes" in (tmp_path / "out/README.md").read_text(encoding="utf-8")


def missing_key(folder):
    change_weights(folder, lambda t: t.pop("decode_head.classifier.bias"))


def unexpected_key(folder):
    change_weights(folder, lambda t: t.update(extra=torch.zeros(1)))


def other_shape(folder):
    change_weights(folder, lambda t: t.update({"decode_head.classifier.bias": torch.zeros(7)}))


def truncated_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def no_config(folder):
    (folder / "config.json").unlink()


def changed_config(**changes):
    def change(folder):
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**settings, **changes}), encoding="utf-8")

    return change


def damaged_config(folder):
    (folder / "config.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (missing_key, "decode_head.classifier.bias missing"),
        (unexpected_key, "extra unexpected"),
        (other_shape, "decode_head.classifier.bias of another shape"),
        (truncated_weights, "model.safetensors"),
        (no_weights, "no such file"),
        (no_config, "no config.json"),
        (damaged_config, "JSON"),
        (changed_config(model_type="vit"), "vit"),
        (changed_config(architectures=["SegformerForImageClassification"]), "Classification"),
        (changed_config(reshape_last_stage=False), "reshape_last_stage"),
        (changed_config(depths=[1, 1]), "values that make a SegFormer"),
        (changed_config(depths="deep"), "values that make a SegFormer"),
    ],
)
def test_a_bad_checkpoint_is_refused_in_one_line_and_nothing_is_written(
    tmp_path, model, damage, word, capsys
):
    folder = write_checkpoint(tmp_path / "tiny", model)
    damage(folder)
    assert main([str(folder), "-o", str(tmp_path / "engines/out"), *SIZE]) == 1
    line = capsys.readouterr().err
    assert word in line
    assert line.count("\n") == 1
    assert "Traceback" not in line
    assert not (tmp_path / "engines").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), "-o", str(tmp_path / "out")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_an_existing_output_is_left_alone(tmp_path, model, capsys):
    folder = write_checkpoint(tmp_path / "tiny", model)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept", encoding="utf-8")
    assert main([str(folder), "-o", str(tmp_path / "out"), *SIZE]) == 2
    assert "not there yet" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_size_too_small_is_refused(tmp_path, model, capsys):
    folder = write_checkpoint(tmp_path / "tiny", model)
    assert main([str(folder), "-o", str(tmp_path / "out"), "--height", "8", "--width", "8"]) == 2
    assert "8 x 8" in capsys.readouterr().err


def test_labels_out_of_range_are_refused_and_nothing_is_written(tmp_path, model, capsys):
    folder = write_checkpoint(tmp_path / "tiny", model)
    frames = labelled_frames(tmp_path / "scenes", 9)
    arguments = [str(folder), "-o", str(tmp_path / "out"), *SIZE, "--dataset", str(frames)]
    assert main(arguments) == 1
    assert "--ignore-label" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not list(Path(tmp_path).glob(".out*.tmp"))
