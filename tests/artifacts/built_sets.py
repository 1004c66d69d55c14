"""Sets of engines that hold no engine: what is checked before loading asks for no more."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from edgert.records import Cost, Engine, EngineManifest, Parity, TensorSpec

HEADER = b"ftrt" + bytes(20) + bytes((10, 3, 0, 30))  # a plan of TensorRT 10.3.0.30
NAMES = ("full", "half")


def make_set(folder: Path, *, family: str = "tiny", device: str = "fake") -> Path:
    """A set of two plans, a weights file and a carried file, in a new folder."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    contents = {f"{name}.plan": HEADER + name.encode() * 50 for name in NAMES}
    contents |= {"weights.bin": b"w" * 99, "timing.cache": b"t" * 9}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = EngineManifest(
        format=2,
        family=family,
        backend="tensorrt",
        built_for={"runtime": "tensorrt 10.3.0.30", "device": device},
        built_from={"graph": "0" * 64},
        weights="weights.bin",
        weights_sha256=digests["weights.bin"],
        carried={"timing.cache": digests["timing.cache"]},
        inputs=[TensorSpec(name="x", shape=(1, 3, 2, 2))],
        outputs=[TensorSpec(name="y", shape=(1,))],
        baselines_macs={"exported": 5},
        engines=[
            Engine(
                name=name,
                file=f"{name}.plan",
                sha256=digests[f"{name}.plan"],
                size_bytes=len(contents[f"{name}.plan"]),
                graph_sha256=hashlib.sha256(name.encode()).hexdigest(),
                cost=Cost(macs=1, parameters=1, activation_bytes=1),
                parity=Parity(
                    max_abs_difference=0,
                    mean_abs_difference=0,
                    reference_max_abs=1,
                    label_agreement=1,
                    inputs=1,
                ),
            )
            for name in NAMES
        ],
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (folder / "manifest.json").chmod(0o644)  # whatever the umask of who runs the tests
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Change fields of the manifest; `engine_file` is that of the first engine."""
    file = folder / "manifest.json"
    content = json.loads(file.read_text())
    if "engine_file" in changes:
        content["engines"][0]["file"] = changes.pop("engine_file")
    file.write_text(json.dumps(content | changes))
