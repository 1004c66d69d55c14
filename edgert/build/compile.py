"""The whole way from family.yaml to a built set, written whole or not at all."""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

import edgert
from edgert.artifacts import (
    BuiltSet,
    FamilyFolder,
    load_built,
    sha256_from_file,
    staged_folder,
    stale_reasons,
)
from edgert.backends.base import Backend
from edgert.build.check import check_graph, static_model
from edgert.build.derive import LOSSLESS, derive_configuration, files_of
from edgert.build.graph_report import Parent
from edgert.build.pack import pack_weights
from edgert.errors import ArtifactError, PreconditionError
from edgert.records import Configuration, Cost, Engine, EngineManifest, Parity, TensorSpec
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what comes next
_WEIGHTS = "weights.bin"


@dataclass(frozen=True)
class BuildResult:
    """A built set, and whether this call made it or found it up to date."""

    built: BuiltSet
    rebuilt: bool
    reasons: list[str]  # why it was built, in words


def build_family(
    folder: FamilyFolder,
    backend: Backend,
    *,
    device: str,
    force: bool = False,
    progress: Progress | None = None,
) -> BuildResult:
    """Derive, compile, pack and verify every configuration of a family.

    Args:
        folder: The family; its base model's hashes were checked when it was loaded.
        backend: What compiles, and what the engines are for.
        device: Name of the folder under built/ that takes the set.
        force: Build even if everything is up to date.
        progress: Called before each step.

    Raises:
        EdgertError: Any step failed. The set that stood there before still stands.
    """
    target = folder.built_path(device)
    reasons = ["asked for"] if force else reasons_to_build(folder, backend, target)
    if not reasons:
        return BuildResult(load_built(target, verify=False), rebuilt=False, reasons=[])
    with staged_folder(target) as staging:
        manifest = _fill(staging, folder, backend, progress or (lambda *_: None))
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (staging / "manifest.json").write_bytes(text)
    return BuildResult(BuiltSet(target, manifest), rebuilt=True, reasons=reasons)


def reasons_to_build(folder: FamilyFolder, backend: Backend, target: Path) -> list[str]:
    """Why the set at `target` can't be used as it is, in words; empty where it can."""
    try:
        built = load_built(target)
    except ArtifactError as error:
        return [f"{error.subject}: {error.got}"]
    return stale_reasons(
        built.manifest, built_for=backend.identity(), built_from=_built_from(folder)
    )


def _built_from(folder: FamilyFolder) -> dict[str, str]:
    family = folder.family
    steps = [
        (c.name, c.edits, [sha256_from_file(path) for path in files_of(c.edits, folder.path)])
        for c in family.configurations
    ]
    return {
        "graph": family.base.sha256,
        "weights": family.base.weights_sha256 or "",
        "configurations": hashlib.sha256(msgspec.json.encode(steps)).hexdigest(),
        "edgert": edgert.__version__,
    }


def _fill(
    staging: Path, folder: FamilyFolder, backend: Backend, progress: Progress
) -> EngineManifest:
    configurations = folder.family.configurations
    total = 2 * len(configurations) + 1
    base = load_graph(folder.graph_path)
    base_file = static_model(folder.graph_path, staging)
    costs: list[Cost] = []
    files: list[Path] = []
    for index, configuration in enumerate(configurations):
        progress(index, total, f"compile {configuration.name}")
        place = f"{folder.path / 'family.yaml'} at configurations[{index}]"
        subject = f"derive {configuration.name}, {place}"
        graph = derive_configuration(folder, configuration, base=base, subject=subject)
        costs.append(cost_of(graph))
        derived = _derived_path(staging, configuration)
        save_graph(graph, derived, weights=f"{derived.stem}.weights")
        static = check_graph(derived, stages=("format", "operators", "shapes"))
        static.refuse_errors(f"check {configuration.name}")
        file = staging / f"{configuration.name}{backend.engine_suffix}"
        backend.compile(derived, file)
        files.append(file)
    progress(len(files), total, "pack weights")
    pack_weights(files, staging / _WEIGHTS)
    parities: list[Parity] = []
    for index, configuration in enumerate(configurations):
        progress(len(files) + 1 + index, total, f"verify {configuration.name}")
        parent = Parent(
            base_file,
            lossless=all(name in LOSSLESS for edit in configuration.edits for name in edit),
            edited=bool(configuration.edits),
            graph=base,
        )
        parities.append(_verified(staging, configuration, files[index], backend, parent))
    if base_file != folder.graph_path:
        _remove_graph(base_file)
    progress(total, total, "done")
    inputs, outputs = _edges(base)
    return EngineManifest(
        format=1,
        family=folder.family.name,
        backend=backend.name,
        built_for=backend.identity(),
        built_from=_built_from(folder),
        weights=_WEIGHTS,
        weights_sha256=sha256_from_file(staging / _WEIGHTS),
        inputs=inputs,
        outputs=outputs,
        baselines_macs=_baselines(base),
        engines=[
            Engine(
                name=configuration.name,
                file=file.name,
                sha256=sha256_from_file(file),
                cost=cost,
                parity=parity,
            )
            for configuration, file, cost, parity in zip(
                configurations, files, costs, parities, strict=True
            )
        ],
    )


def _derived_path(staging: Path, configuration: Configuration) -> Path:
    return staging / f"{configuration.name}.derived.onnx"


def _verified(
    staging: Path, configuration: Configuration, file: Path, backend: Backend, parent: Parent
) -> Parity:
    """Verify an engine as it will lie in the set, then remove the graph it was compiled from.

    Latency is left to `edgert profile` and `edgert verify`: a build may run on a busy machine.
    """
    derived = _derived_path(staging, configuration)
    engine = backend.load(file)
    try:
        report = check_graph(
            derived,
            parent=parent,
            engine=engine,
            measure=None,
            stages=("run", "optimisation", "parent", "cost"),
        )
    finally:
        engine.close()
        _remove_graph(derived)
    report.refuse_errors(f"verify {configuration.name}")
    if report.optimised is None:
        raise RuntimeError("the stage 'optimisation' did not run")
    return report.optimised.parity


def _remove_graph(path: Path) -> None:
    path.unlink()
    (path.parent / f"{path.stem}.weights").unlink(missing_ok=True)


def _edges(graph: Graph) -> tuple[list[TensorSpec], list[TensorSpec]]:
    def specs(values: object) -> list[TensorSpec]:
        return [
            TensorSpec(name=v.name, shape=tuple(v.shape), dtype=str(v.dtype.numpy()))
            for v in values  # type: ignore[attr-defined]
        ]

    return specs(graph.inputs), specs(graph.outputs)


def _baselines(base: Graph) -> dict[str, int]:
    """What a saving may be stated against: the graph as exported, and after the lossless merge."""
    baselines = {"exported": cost_of(base).macs}
    with contextlib.suppress(PreconditionError):  # nothing to merge: one baseline is enough
        baselines["merged"] = cost_of(merge_linear(base)).macs
    return baselines
