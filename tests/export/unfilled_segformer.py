"""A SegFormer family without weights, what fills it, and how that is asked for and refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from edgert.artifacts import save_family
from edgert.backends.onnxruntime import reference_session
from edgert.families.segformer import edits
from edgert.records import BaseModel, Configuration, Family, InputSpec, ScaledModel

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.export.segformer_checkpoints import SIZES
from tools.export_segformer import main

TOOL = Path(__file__).resolve().parents[2] / "tools" / "export_segformer.py"
SOURCES = {"base": "owner/large", "middle": "owner/middle", "small": "owner/small"}
SIZE_OF = {"base": "large", "middle": "middle", "small": "small"}
CARD = "---\nlicense: other\nlicense_link: https://example.org/L\n---\n## License\nNot for sale.\n"


def spec(height: int = 64, width: int = 96) -> InputSpec:
    return InputSpec(name="pixel_values", shape=(1, 3, height, width))


def unfilled_family(folder: Path, *, scaled: bool = True, **changes: object) -> Path:
    """Write the family's folder: a base model, maybe two scaled ones, five configurations."""
    models = [
        ScaledModel(
            name=name, graph=f"{name}.onnx", source=SOURCES[name], input=spec(32 * size, 64)
        )
        for size, name in ((2, "middle"), (1, "small"))
    ]
    depths, _, decoder = SIZES["large"]
    configurations = [
        Configuration(name="full", edits=edits(depths=depths, merge=False)),
        Configuration(name="merged", edits=edits(depths=depths)),
        Configuration(
            name="d1111",
            edits=edits(depths=depths, keep_blocks=(1, 1, 1, 1), decoder_dim=decoder),
        ),
    ]
    if scaled:
        configurations += [
            Configuration(name="middle", model="middle", edits=[{"merge_linear": {}}]),
            Configuration(name="small", model="small", edits=[{"merge_linear": {}}]),
        ]
    content: dict[str, object] = {
        "format": 1,
        "name": folder.name,
        "task": "segmentation",
        "base": BaseModel(graph="base.onnx", weights="base.weights", source=SOURCES["base"]),
        "input": spec(),
        "labels": [],
        "configurations": configurations,
        "models": models if scaled else [],
        "license": "as it was written",
    }
    folder.mkdir(parents=True)
    save_family(folder / "family.yaml", Family(**{**content, **changes}))
    (folder / "README.md").write_text("# The card\n", encoding="utf-8")
    return folder


def arguments(family: Path, folders: dict[str, Path]) -> list[str]:
    given = [str(path) if name == "base" else f"{name}={path}" for name, path in folders.items()]
    return ["--fill", str(family), "--checkpoint", *given]


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def refusal(capsys, words: list[str], *, status: int = 1) -> str:
    assert main(words) == status
    line = capsys.readouterr().err.splitlines()[-1]
    assert "Traceback" not in line
    assert re.search(r": expected .*, got .*\. .*\.$", line), line
    return line


def logits_of(graph: Path, tensor: np.ndarray) -> np.ndarray:
    session = reference_session(graph)
    try:
        return np.array(session.run({"pixel_values": tensor})["logits"])
    finally:
        session.close()
