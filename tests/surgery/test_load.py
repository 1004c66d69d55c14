"""Bad input: whatever the file, one line of the house that names the place, or a right graph."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.cli.main import main
from edgert.errors import ArtifactError, EdgertError, PreconditionError
from edgert.surgery.graph import constant_array, save_graph, static_shape
from edgert.surgery.load import load_graph

FLOAT = TensorProto.FLOAT
X = helper.make_tensor_value_info("x", FLOAT, [1, 4])
Y = helper.make_tensor_value_info("y", FLOAT, [1, 4])
node = helper.make_node


def model_of(*nodes, weights=(), outputs=(Y,), opset=18, domains=(), **parts) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes), "g", [X], list(outputs), list(weights),
        sparse_initializer=parts.pop("sparse", []),
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **parts)


def tensor(array, name: str) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array), name)


def written(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path, error: type[EdgertError] = ArtifactError) -> str:
    before = {p: p.lstat().st_mtime_ns for p in path.parent.rglob("*")}
    with pytest.raises(error) as caught:
        load_graph(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"read {path}")
    assert {p: p.lstat().st_mtime_ns for p in path.parent.rglob("*")} == before
    return line


def outputs_alike(path: Path, folder: Path, x: np.ndarray) -> list[np.ndarray]:
    """The file as it came and as it is loaded and saved, in onnxruntime; they have to agree."""
    save_graph(load_graph(path), folder / "again.onnx")
    results = []
    for file in (path, folder / "again.onnx"):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        results.append(session.run(None, {"x": x}))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    return results[1]


# ---------------------------------------------------------------- control flow


def branch(name: str, op: str, *, scale: float | None = None) -> onnx.GraphProto:
    """A branch that reads x of the graph around it; with a weight and a constant of its own."""
    result = helper.make_tensor_value_info(f"{name}.out", FLOAT, [1, 4])
    if scale is None:
        return helper.make_graph([node(op, ["x"], [result.name])], name, [], [result])
    constant = node("Constant", [], ["two"], value=tensor(np.float32(2), "v"))
    nodes = [
        constant,
        node(op, ["x", "w"], ["inner"]),
        node("Mul", ["inner", "two"], [result.name]),
    ]
    return helper.make_graph(nodes, name, [], [result], [tensor(np.float32(scale), "w")])


@pytest.mark.parametrize(("condition", "factor"), [(True, 6.0), (False, 10.0)])
def test_a_branch_that_is_known_is_taken(tmp_path, condition, factor):
    nodes = [
        node("If", ["c"], ["a"], name="enc/If", then_branch=branch("t", "Mul", scale=3),
             else_branch=branch("e", "Mul", scale=5)),
        node("If", ["c"], ["b"], name="dec/If", then_branch=branch("t", "Mul", scale=3),
             else_branch=branch("e", "Mul", scale=5)),
        node("Add", ["a", "b"], ["y"], name="join"),
    ]  # fmt: skip
    path = written(tmp_path, model_of(*nodes, weights=[tensor(np.array(condition), "c")]))
    graph = load_graph(path)
    assert [n.op_type for n in graph.nodes] == ["Mul", "Mul", "Mul", "Mul", "Add"]
    assert {n.name for n in graph.nodes} >= {"enc/Mul", "dec/Mul"}
    assert all(static_shape(n.outputs[0]) == (1, 4) for n in graph.nodes)
    x = np.arange(4, dtype=np.float32).reshape(1, 4)
    [y] = outputs_alike(path, tmp_path, x)
    np.testing.assert_allclose(y, 2 * factor * x)


def test_a_condition_on_shapes_is_known_too(tmp_path):
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "one"], ["n"]),
        node("Equal", ["n", "four"], ["c"]),
        node("If", ["c"], ["y"], name="squeeze", then_branch=branch("t", "Relu"),
             else_branch=branch("e", "Neg")),
    ]  # fmt: skip
    weights = [tensor(np.array(1), "one"), tensor(np.array(4), "four")]
    path = written(tmp_path, model_of(*nodes, weights=weights))
    assert [n.op_type for n in load_graph(path).nodes] == ["Relu", "Identity"]
    [y] = outputs_alike(path, tmp_path, np.array([[-1, 2, -3, 4]], np.float32))
    assert y.tolist() == [[0, 2, 0, 4]]


def test_a_known_branch_inside_a_known_branch_is_taken(tmp_path):
    inner = node("If", ["c"], ["t.out"], then_branch=branch("u", "Neg"),
                 else_branch=branch("v", "Relu"))  # fmt: skip
    outer = helper.make_graph(
        [inner], "t", [], [helper.make_tensor_value_info("t.out", FLOAT, [1, 4])]
    )
    nodes = [
        node("If", ["c"], ["a"], then_branch=outer, else_branch=branch("e", "Abs")),
        node("Relu", ["a"], ["y"]),
    ]
    path = written(tmp_path, model_of(*nodes, weights=[tensor(np.array(True), "c")]))
    assert [n.op_type for n in load_graph(path).nodes] == ["Neg", "Relu"]
    outputs_alike(path, tmp_path, np.array([[-1, 2, -3, 4]], np.float32))


def test_a_branch_that_depends_on_the_frame_is_refused_with_its_name(tmp_path):
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=0),
        node("Cast", ["s"], ["c"], to=TensorProto.BOOL),
        node("If", ["c"], ["y"], name="dec/If_7", then_branch=branch("t", "Relu"),
             else_branch=branch("e", "Neg")),
    ]  # fmt: skip
    line = refused(written(tmp_path, model_of(*nodes)), PreconditionError)
    assert "node dec/If_7 (If)" in line
    assert "condition depends on the frame" in line


def loop() -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Relu", ["state"], ["next"]), node("Identity", ["go_on"], ["still"])], "body",
        [info("step", TensorProto.INT64, []), info("go_on", TensorProto.BOOL, []),
         info("state", FLOAT, [1, 4])],
        [info("still", TensorProto.BOOL, []), info("next", FLOAT, [1, 4])],
    )  # fmt: skip
    weights = [tensor(np.array(3), "n"), tensor(np.array(True), "c")]
    return model_of(node("Loop", ["n", "c", "x"], ["y"], name="rnn", body=body), weights=weights)


def scan() -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Add", ["sum", "row"], ["next"]), node("Identity", ["next"], ["out"])], "body",
        [info("sum", FLOAT, [4]), info("row", FLOAT, [4])],
        [info("next", FLOAT, [4]), info("out", FLOAT, [4])],
    )  # fmt: skip
    weights = [tensor(np.zeros(4, np.float32), "zero")]
    nodes = [node("Scan", ["zero", "x"], ["last", "y"], name="rnn", body=body, num_scan_inputs=1)]
    return model_of(*nodes, weights=weights)


@pytest.mark.parametrize(
    ("model", "op"), [(loop(), "Loop"), (scan(), "Scan")], ids=["loop", "scan"]
)
def test_loops_are_refused_with_their_name(tmp_path, model, op):
    assert f"node rnn ({op})" in refused(written(tmp_path, model), PreconditionError)


# ---------------------------------------------------------------- shapes that follow from values


def test_a_size_that_values_decide_is_refused_at_its_node(tmp_path):
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("NonZero", ["a"], ["z"], name="post/NonZero"),
        node("Cast", ["z"], ["y"], name="post/Cast", to=FLOAT),
    ]
    out = helper.make_tensor_value_info("y", FLOAT, [2, "n"])
    line = refused(written(tmp_path, model_of(*nodes, outputs=[out])), PreconditionError)
    assert "node post/NonZero (NonZero)" in line
    assert "depends on the values" in line


def test_a_size_that_constants_decide_is_computed(tmp_path):
    nodes = [
        node("NonZero", ["mask"], ["z"]),
        node("Squeeze", ["z", "first"], ["where"]),
        node("Gather", ["x", "where"], ["y"], axis=1),
    ]
    weights = [tensor(np.array([True, False, True, True]), "mask"), tensor(np.array([0]), "first")]
    out = helper.make_tensor_value_info("y", FLOAT, [1, 3])
    path = written(tmp_path, model_of(*nodes, weights=weights, outputs=[out]))
    assert [n.op_type for n in load_graph(path).nodes] == ["Gather"]
    [y] = outputs_alike(path, tmp_path, np.array([[1, 2, 3, 4]], np.float32))
    assert y.tolist() == [[1, 3, 4]]


# ---------------------------------------------------------------- operators


def test_operators_of_an_own_domain_pass_as_they_are(tmp_path):
    nodes = [
        node("Magic", ["x"], ["a"], domain="my.ops"),
        node("FastGelu", ["a"], ["b"], domain="com.microsoft"),
        node("Relu", ["b"], ["y"]),
    ]
    graph = load_graph(written(tmp_path, model_of(*nodes, domains=["my.ops", "com.microsoft"])))
    assert [n.op_type for n in graph.nodes] == ["Magic", "FastGelu", "Relu"]


@pytest.mark.parametrize(
    ("op", "domain", "opset", "said"),
    [
        ("Magic", "my.ops", 18, "an opset for the operator's domain my.ops, got none"),
        ("Magik", "", 18, "an operator of opset 18, got Magik, which no opset has"),
        ("Gelu", "", 17, "an operator of opset 17, got Gelu, which came with opset 20"),
        ("Upsample", "", 18, "an operator of opset 18, got Upsample"),
    ],
)
def test_an_operator_that_is_not_there_is_named(tmp_path, op, domain, opset, said):
    nodes = [node("Relu", ["x"], ["a"]), node(op, ["a"], ["y"], name="enc/it", domain=domain)]
    line = refused(written(tmp_path, model_of(*nodes, opset=opset)))
    assert f"node enc/it ({op})" in line
    assert said in line


@pytest.mark.parametrize("opset", [0, 99])
def test_an_opset_that_is_not_there_is_refused(tmp_path, opset):
    assert f"got opset {opset}" in refused(
        written(tmp_path, model_of(node("Relu", ["x"], ["y"]), opset=opset))
    )


def test_functions_inside_functions_become_their_nodes(tmp_path):
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("my", 1)]
    twice = helper.make_function("my", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])],
                                 opsets)  # fmt: skip
    four = helper.make_function(
        "my", "Four", ["a"], ["b"],
        [node("Twice", ["a"], ["t"], domain="my"), node("Twice", ["t"], ["b"], domain="my")],
        opsets,
    )  # fmt: skip
    path = written(
        tmp_path,
        model_of(node("Four", ["x"], ["y"], domain="my"), domains=["my"], functions=[twice, four]),
    )
    assert [n.op_type for n in load_graph(path).nodes] == ["Add", "Add"]
    [y] = outputs_alike(path, tmp_path, np.ones((1, 4), np.float32))
    assert y.tolist() == [[4.0] * 4]


def test_a_quantised_model_computes_what_it_did(tmp_path):
    weights = [
        tensor(np.float32(0.05), "s"), tensor(np.uint8(128), "z"), tensor(np.float32(0.01), "ws"),
        tensor(np.int8(0), "wz"),
        tensor(np.arange(-8, 8, dtype=np.int8).reshape(4, 4), "w"),
    ]  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        node("MatMul", ["xd", "wd"], ["y"]),
    ]
    path = written(tmp_path, model_of(*nodes, weights=weights))
    outputs_alike(path, tmp_path, np.array([[-1, 0.3, 2, 0.07]], np.float32))


def test_sparse_weights_are_refused(tmp_path):
    sparse = helper.make_sparse_tensor(
        tensor(np.array([1.0, 2.0], np.float32), "w"), tensor(np.array([0, 5]), "where"), [4, 4]
    )
    line = refused(written(tmp_path, model_of(node("MatMul", ["x", "w"], ["y"]), sparse=[sparse])))
    assert "weight w: expected a dense tensor" in line


# ---------------------------------------------------------------- names and order


@pytest.mark.parametrize(
    ("nodes", "weights", "said"),
    [
        ([node("Add", ["x", "w"], ["y"], name="enc/Add")], [], r"enc/Add .* called w, got none"),
        ([node("Relu", ["x"], ["y"], name="a"), node("Neg", ["x"], ["y"], name="b")], [],
         r"node b \(Neg\): expected an output of a new name, got y a second time"),
        ([node("Add", ["x", "w"], ["y"])], [tensor(np.ones(4, np.float32), "w")] * 2,
         "two initializers"),
        ([node("Add", ["x", "b"], ["a"], name="p"), node("Relu", ["a"], ["b"], name="q"),
          node("Neg", ["b"], ["y"])], [], r"node p \(Add\).*a cycle"),
        ([node("Neg", ["x"], ["a"])], [], "output y: expected a node that computes it"),
        ([node("Add", ["x", "w"], ["y"])],
         [TensorProto(name="w", data_type=1, dims=[4], raw_data=b"1234")],
         "tensor w: expected 16 bytes"),
        ([node("Add", ["x", "w"], ["y"])],
         [TensorProto(name="w", data_type=1, dims=[4], float_data=[1, 2])],
         "tensor w: expected 4 numbers"),
        ([node("Add", ["x", "w"], ["y"])], [TensorProto(name="w", data_type=1, dims=[-1])],
         "tensor w: expected"),
        ([node("Add", ["x", "w"], ["y"])], [TensorProto(name="w", data_type=77, dims=[4],
                                                        raw_data=bytes(16))], "data type 77"),
    ],
    ids=["missing", "ssa", "twice", "cycle", "output", "bytes", "numbers", "negative", "type"],
)  # fmt: skip
def test_a_damaged_graph_is_refused_at_its_place(tmp_path, nodes, weights, said):
    line = refused(written(tmp_path, model_of(*nodes, weights=weights)))
    assert re.search(said, line), line


def test_a_name_that_is_missing_inside_a_branch_is_found(tmp_path):
    lost = helper.make_graph(
        [node("Add", ["x", "lost"], ["t.out"], name="inner")], "t", [],
        [helper.make_tensor_value_info("t.out", FLOAT, [1, 4])],
    )  # fmt: skip
    nodes = [node("If", ["c"], ["y"], then_branch=lost, else_branch=branch("e", "Neg"))]
    line = refused(written(tmp_path, model_of(*nodes, weights=[tensor(np.array(True), "c")])))
    assert "inner (Add)" in line
    assert "called lost" in line


def test_nodes_in_another_order_are_sorted(tmp_path):
    nodes = [node("Neg", ["b"], ["y"]), node("Relu", ["x"], ["b"])]
    assert [n.op_type for n in load_graph(written(tmp_path, model_of(*nodes))).nodes] == [
        "Relu", "Neg"]  # fmt: skip


# ---------------------------------------------------------------- weights beside the model


def external(location: str, *, dims=(4,), **entry: object) -> TensorProto:
    weight = TensorProto(name="w", data_type=FLOAT, dims=dims, data_location=1)
    for key, value in {"location": location, **entry}.items():
        item = weight.external_data.add()
        item.key, item.value = key, str(value)
    return weight


def beside(folder: Path, weight: TensorProto, **options) -> Path:
    (folder / "model").mkdir(exist_ok=True)
    return written(
        folder / "model", model_of(node("Add", ["x", "w"], ["y"]), weights=[weight], **options)
    )


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.bin"
    path.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    return path


@pytest.mark.parametrize("kind", ["absolute", "upwards", "through", "link", "linked folder"])
def test_weights_outside_the_models_folder_are_refused(tmp_path, secret, kind):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    location = {
        "absolute": str(secret),
        "upwards": "../secret.bin",
        "through": "sub/../../secret.bin",
        "link": "weights.bin",
        "linked folder": "outside/secret.bin",
    }[kind]
    (folder / "weights.bin").symlink_to("../secret.bin")
    (folder / "outside").symlink_to(tmp_path, target_is_directory=True)
    line = refused(beside(tmp_path, external(location)))
    assert "tensor w: expected weights inside the model's folder" in line


def test_weights_outside_are_refused_in_an_attribute_too(tmp_path, secret):
    constant = node("Constant", [], ["w"], value=external(str(secret)))
    path = written(tmp_path, model_of(constant, node("Add", ["x", "w"], ["y"])))
    assert "an absolute path" in refused(path)


def test_a_link_that_stays_inside_is_followed(tmp_path, secret):
    path = beside(tmp_path, external("weights.bin"))
    (path.parent / "blob").write_bytes(secret.read_bytes())
    (path.parent / "weights.bin").symlink_to("blob")
    [weight] = load_graph(path).model.graph.initializers.values()
    assert constant_array(weight).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "entry",
    [
        {"offset": -4},
        {"offset": "four"},
        {"length": 8},
        {"offset": 4},
        {"length": 16, "offset": 1},
    ],
)
def test_places_that_the_weights_do_not_have_are_refused(tmp_path, secret, entry):
    path = beside(tmp_path, external("w.bin", **entry))
    (path.parent / "w.bin").write_bytes(secret.read_bytes())
    assert "weights w.bin of tensor w" in refused(path)


@pytest.mark.parametrize("location", ["", ".", "gone.bin"])
def test_weights_that_are_no_file_are_refused(tmp_path, location):
    assert "got no such file" in refused(beside(tmp_path, external(location)))


def test_bad_input_leaves_nothing_half_written(tmp_path, secret, capsys):
    path = beside(tmp_path, external("../secret.bin"))
    (tmp_path / "edits.yaml").write_text("- merge_linear: {}\n")
    (tmp_path / "out").mkdir()
    edits, output = tmp_path / "edits.yaml", tmp_path / "out" / "o.onnx"
    assert main(["derive", str(path), "--edits", str(edits), "-o", str(output)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(output.parent.iterdir()) == []


# ---------------------------------------------------------------- large files


def test_a_file_that_the_format_cannot_hold_is_refused_unread(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    assert "below 2 GiB" in refused(path)


def test_weights_of_more_than_two_gib_are_not_read_to_load_or_to_edit(tmp_path):
    sizes = (550_000, 1024)
    path = beside(
        tmp_path,
        external("w.bin", dims=sizes, length=4 * sizes[0] * sizes[1]),
        outputs=[helper.make_tensor_value_info("y", FLOAT, [550_000, 1024])],
    )
    model = onnx.load(str(path), load_external_data=False)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1024
    path.write_bytes(model.SerializeToString())
    with (path.parent / "w.bin").open("wb") as file:
        file.truncate(4 * sizes[0] * sizes[1])  # a hole: no disk is used
    # The peak of the process alone: what getrusage says begins with its parent's.
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from edgert.surgery.load import load_graph\n"
        "from edgert.surgery.cost import cost_of\n"
        "from edgert.surgery.graph import finished\n"
        "graph = finished(load_graph(Path(sys.argv[1])).copy(), subject='edit')\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(cost_of(graph).parameters, re.search(r'VmHWM:\\s*(\\d+)', status)[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    parameters, peak_kib = map(int, done.stdout.split())
    assert parameters == sizes[0] * sizes[1]
    assert peak_kib < 500 * 1024
