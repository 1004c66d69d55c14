"""Graphs for the stand-in of NVIDIA's module, and the module itself."""

import importlib.util
from pathlib import Path
from types import ModuleType

import onnx

STANDIN = Path(__file__).parent / "standin"


def standin() -> ModuleType:
    """The stand-in, loaded without taking the vendor's name in this process."""
    place = STANDIN / "tensorrt_rtx" / "__init__.py"
    spec = importlib.util.spec_from_file_location("standin_of_tensorrt_rtx", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save_text(text: str, path: Path) -> Path:
    """A model in ONNX's text form as a file; nodes get names, "block/Add1"."""
    model = onnx.parser.parse_model(text)
    for index, node in enumerate(model.graph.node):
        node.name = f"block/{node.op_type}{index}"
    onnx.save(model, str(path))
    return path


def one_operator(operator: str, folder: Path) -> Path:
    """A graph of two nodes, the second of which is of the domain test."""
    return save_text(
        f"""<ir_version: 9, opset_import: ["" : 18, "test" : 1]>
        g (float[1,4] x) => (float[1,4] y) {{ a = Relu(x) y = test.{operator}(a) }}""",
        folder / f"{operator}.onnx",
    )


# The text form takes the bits of halves: 15360 is 1.
MIXED = """<ir_version: 9, opset_import: ["" : 18]>
    g (float[1,8,16] x) => (float[1,1,16] y)
    <float16[16] s = {15360,15360,15360,15360,15360,15360,15360,15360,
      15360,15360,15360,15360,15360,15360,15360,15360}, int64[1] axis = {1}> {
        h = Cast <to = 10> (x)
        n = LayerNormalization (h, s)
        p = Softmax (n)
        r = ReduceMax (p, axis)
        m = ReduceMean (p, axis)
        t = Add (r, m)
        w = Cast <to = 1> (t)
        v = Softmax (w)
        y = ReduceMean <keepdims = 1> (v, axis)
    }"""
