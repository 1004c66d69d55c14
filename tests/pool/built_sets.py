"""Built sets of a few kilobytes: real engines of onnxruntime, and sets on paper for fakes."""

import msgspec
import onnx

from edgert.artifacts import BuiltSet, sha256_from_file
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.build.pack import pack_weights
from edgert.records import Cost, Engine, EngineManifest, EngineMemory, Parity, TensorSpec

BACKEND = OnnxRuntimeBackend(threads=1)
SESSION_BYTES = 4 << 20
COST = Cost(macs=1, parameters=1, activation_bytes=1)
PARITY = Parity(
    max_abs_difference=0, mean_abs_difference=0, reference_max_abs=1, label_agreement=1, inputs=1
)
FAKE_IDENTITY = {"runtime": "fake 1.0"}


def engine(name, *, file=None, sha256="0" * 64, size_bytes=100, **memory):
    return Engine(
        name=name,
        file=file or f"{name}.engine",
        sha256=sha256,
        size_bytes=size_bytes,
        graph_sha256="0" * 64,
        cost=COST,
        parity=PARITY,
        memory=EngineMemory(**memory),
    )


def paper_set(folder, names, own_bytes=10, *, weights_bytes=0, scratch_bytes=0, io_bytes=0):
    """A set whose engines exist in its manifest only, each of the same cost or of its own."""
    costs = [own_bytes] * len(names) if isinstance(own_bytes, int) else own_bytes
    weights = None
    if weights_bytes:
        weights = "weights.bin"
        (folder / weights).write_bytes(bytes(weights_bytes))
    engines = [
        engine(name, persistent_bytes=cost, scratch_bytes=scratch_bytes, io_bytes=io_bytes)
        for name, cost in zip(names, costs, strict=True)
    ]
    manifest = EngineManifest(
        format=2,
        family="paper",
        backend="fake",
        built_for=FAKE_IDENTITY,
        built_from={"graph": "x"},
        weights=weights,
        inputs=[TensorSpec(name="x", shape=(1, 3, 2, 2))],
        outputs=[TensorSpec(name="y", shape=(1,))],
        baselines_macs={"exported": 1},
        engines=engines,
    )
    return BuiltSet(folder, manifest)


def built_set(folder, **models):
    """A built set in a new folder; engines in the order of the models."""
    folder.mkdir(parents=True)
    engines = []
    for name, model in models.items():
        onnx.save(model, str(folder / "graph"))
        engines.append(folder / f"{name}.onnx")
        BACKEND.compile(folder / "graph", engines[-1])
    (folder / "graph").unlink()
    pack_weights(engines, folder / "weights.bin")
    manifest = EngineManifest(
        format=2,
        family="tiny",
        backend="onnxruntime",
        built_for=BACKEND.identity(),
        built_from={"graph": "x"},
        weights="weights.bin",
        weights_sha256=sha256_from_file(folder / "weights.bin"),
        inputs=[TensorSpec(name="frame", shape=(1, 3, 8, 8))],
        outputs=[TensorSpec(name="logits", shape=(1, 64, 5))],
        baselines_macs={"exported": 1},
        engines=[
            engine(
                p.stem,
                file=p.name,
                sha256=sha256_from_file(p),
                size_bytes=p.stat().st_size,
                persistent_bytes=SESSION_BYTES,
            )
            for p in engines
        ],
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return BuiltSet(folder, manifest)
