import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgert.backends.base import load_own
from edgert.backends.onnxruntime import OnnxRuntimeBackend, reference_session
from edgert.build.pack import pack_weights
from edgert.errors import BuildError
from tests.tiny_graphs import conv_net, frame, with_weight

BACKEND = OnnxRuntimeBackend(threads=1)


def changed_head(seed: int = 0) -> onnx.ModelProto:
    return with_weight(conv_net(seed), "head2.weight", lambda array: array * 2)


def compiled(folder, **models):
    """Engines as the backend writes them, in the order given."""
    folder.mkdir(exist_ok=True)
    for name, model in models.items():
        onnx.save(model, str(folder / f"{name}.graph"))
        BACKEND.compile(folder / f"{name}.graph", folder / f"{name}.onnx")
        (folder / f"{name}.graph").unlink()
    return [folder / f"{name}.onnx" for name in models]


def logits(engine):
    session = load_own(BACKEND, engine)
    result = session.run({"frame": frame()})["logits"].copy()
    session.close()
    return result


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def external(engine):
    """Name to (offset, length) of what an engine keeps outside its own file."""
    found = {}
    for tensor in onnx.load(str(engine), load_external_data=False).graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if entries:
            assert entries["location"] == "weights.bin"
            found[tensor.name] = int(entries["offset"]), int(entries["length"])
    return found


# ---------------------------------------------------------------- compiled engines


def test_packed_engines_compute_the_same_bit_for_bit(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net(), other=conv_net(3), half=changed_head())
    before = [logits(engine) for engine in engines]
    pack_weights(engines, tmp_path / "set" / "weights.bin")
    for engine, expected in zip(engines, before, strict=True):
        np.testing.assert_array_equal(logits(engine), expected)


def test_changed_weight_in_the_file_changes_the_result(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net())
    expected = logits(engines[0])
    weights = tmp_path / "set" / "weights.bin"
    pack_weights(engines, weights)
    content = np.fromfile(weights, np.float32)
    content[: content.size // 2] += 0.1
    content.tofile(weights)
    assert np.abs(logits(engines[0]) - expected).max() > 1e-3 * np.abs(expected).max()


def test_only_engines_and_weights_remain(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net(), half=changed_head())
    pack_weights(engines, tmp_path / "set" / "weights.bin")
    names = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert names == ["full.onnx", "half.onnx", "weights.bin"]


def test_shared_tensors_are_kept_once(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net(), half=changed_head(), same=conv_net())
    weights = tmp_path / "set" / "weights.bin"
    report = pack_weights(engines, weights)
    one = compiled(tmp_path / "one", full=conv_net())
    alone = pack_weights(one, tmp_path / "one" / "weights.bin")
    assert report.engines == 3
    assert report.before_bytes == 3 * alone.before_bytes
    assert report.after_bytes == weights.stat().st_size < 1.3 * alone.after_bytes
    full, half, same = (external(engine) for engine in engines)
    assert full == same
    assert full["head1.weight"] == half["head1.weight"]
    assert full["head2.weight"] != half["head2.weight"]


def test_packed_matrices_move_along(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net())
    weights = tmp_path / "set" / "weights.bin"

    def blobs():
        """What onnxruntime saved beside each tensor, read through the engine's own entries."""
        found = {}
        for tensor in onnx.load(str(engines[0]), load_external_data=False).graph.initializer:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            for key in (key for key in entries if key.startswith("prepacked_")):
                name, *places = entries[key].split("|")
                content = (tmp_path / "set" / entries["location"]).read_bytes()
                found[tensor.name, key, name] = [
                    content[int(offset) : int(offset) + int(length)]
                    for offset, length, _ in (place.split(";") for place in places)
                ]
        return found

    before = blobs()
    assert before
    pack_weights(engines, weights)
    assert blobs() == before


def test_same_graphs_give_the_same_bytes_however_often_they_are_compiled(tmp_path):
    found = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        pack_weights(
            compiled(folder, full=conv_net(), half=changed_head()), folder / "weights.bin"
        )
        found.append(digests(folder))
    assert found[0] == found[1]


def test_packing_again_changes_nothing(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net(), half=changed_head())
    pack_weights(engines, tmp_path / "set" / "weights.bin")
    before = digests(tmp_path / "set")
    pack_weights(engines, tmp_path / "set" / "weights.bin")
    assert digests(tmp_path / "set") == before


def test_offsets_are_aligned(tmp_path):
    engines = compiled(tmp_path / "set", full=conv_net(channels=33))
    pack_weights(engines, tmp_path / "set" / "weights.bin", min_bytes=1)
    assert {offset % 64 for offset, _ in external(engines[0]).values()} == {0}


@pytest.mark.parametrize("min_bytes", [100, 600, 1 << 20])
def test_small_tensors_stay_in_the_engine(tmp_path, min_bytes):
    engines = compiled(tmp_path / "set", full=conv_net())
    expected = logits(engines[0])
    pack_weights(engines, tmp_path / "set" / "weights.bin", min_bytes=min_bytes)
    assert all(length >= min_bytes for _, length in external(engines[0]).values())
    assert bool(external(engines[0])) == (min_bytes < 1 << 20)
    np.testing.assert_allclose(logits(engines[0]), expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- any ONNX files


def constant_graph(tensors: dict) -> onnx.ModelProto:
    """A graph that gives every tensor back; its input is not used."""
    names = list(tensors)
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in names],
        "constants",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, (1,))],
        [
            helper.make_tensor_value_info(
                f"{n}_out", helper.np_dtype_to_tensor_dtype(tensors[n].dtype), tensors[n].shape
            )
            for n in names
        ],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


ARRAYS = st.builds(
    lambda dtype, size, seed: np.random.default_rng(seed).integers(0, 2, size).astype(dtype),
    st.sampled_from(["float32", "int64", "uint8", "float16"]),
    st.integers(1, 300),
    st.integers(0, 3),  # few seeds, so that contents repeat
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), ARRAYS, min_size=1), min_size=1, max_size=3),
    st.sampled_from([1, 64, 1024]),
)
def test_every_tensor_reads_back_as_it_was(sets, min_bytes):
    with tempfile.TemporaryDirectory() as name:
        folder, engines = Path(name), []
        for index, tensors in enumerate(sets):
            engines.append(folder / f"e{index}.onnx")
            onnx.save(constant_graph(tensors), str(engines[-1]))
        report = pack_weights(engines, folder / "weights.bin", min_bytes=min_bytes)
        moved = {
            array.tobytes() for t in sets for array in t.values() if array.nbytes >= min_bytes
        }
        assert report.after_bytes <= sum(len(content) + 63 for content in moved)
        for engine, tensors in zip(engines, sets, strict=True):
            got = reference_session(engine).run({"frame": np.zeros(1, np.float32)})
            for tensor, array in tensors.items():
                np.testing.assert_array_equal(got[f"{tensor}_out"], array)


def test_tensors_of_inner_graphs_are_packed_too(tmp_path):
    big = np.arange(400, dtype=np.float32)
    branches = [
        helper.make_graph(
            [helper.make_node("Identity", [f"w{i}"], [f"y{i}"])], f"branch{i}", [],
            [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, (400,))],
            [numpy_helper.from_array(big + i, f"w{i}")],
        )
        for i in range(2)
    ]  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branches[1], else_branch=branches[0])],
        "choice",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, ())],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (400,))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    engine = tmp_path / "e.onnx"
    onnx.save(model, str(engine))
    assert pack_weights([engine], tmp_path / "weights.bin").after_bytes >= 3200
    for value in (True, False):
        got = reference_session(engine).run({"c": np.array(value)})["y"]
        np.testing.assert_array_equal(got, big + value)


def test_set_without_large_tensors_has_an_empty_weights_file(tmp_path):
    engine = tmp_path / "e.onnx"
    onnx.save(constant_graph({"a": np.ones(3, np.float32)}), str(engine))
    report = pack_weights([engine], tmp_path / "weights.bin")
    assert (report.before_bytes, report.after_bytes) == (0, 0)
    assert (tmp_path / "weights.bin").stat().st_size == 0


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "escape", "garbage"])
def test_engine_that_cannot_be_read_leaves_all_files_as_they_were(tmp_path, damage):
    engines = compiled(tmp_path / "set", full=conv_net(), half=changed_head())
    beside = tmp_path / "set" / "half.onnx.data"
    if damage == "missing":
        beside.unlink()
    elif damage == "cut":
        beside.write_bytes(beside.read_bytes()[:-5000])
    elif damage == "empty":
        beside.write_bytes(b"")
    elif damage == "garbage":
        engines[1].write_bytes(b"no engine" * 20)
    else:
        beside.rename(tmp_path / beside.name)
        model = onnx.load(str(engines[1]), load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = f"../{beside.name}"
        engines[1].write_bytes(model.SerializeToString())
    before = digests(tmp_path / "set")
    with pytest.raises(BuildError, match=r"^pack half\.onnx.*: expected .*, got .*\. .*\.$"):
        pack_weights(engines, tmp_path / "set" / "weights.bin")
    assert digests(tmp_path / "set") == before


def test_engine_in_another_folder_is_misuse(tmp_path):
    with pytest.raises(ValueError, match="own folder"):
        pack_weights([tmp_path / "a" / "e.onnx"], tmp_path / "weights.bin")
