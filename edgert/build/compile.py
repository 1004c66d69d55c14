"""The whole way from family.yaml to a built set, written whole or not at all."""

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgert.artifacts import (
    BuiltSet,
    FamilyFolder,
    built_from,
    load_built,
    load_private_key,
    sha256_from_file,
    sign_manifest,
    staged_folder,
    stale_reasons,
)
from edgert.backends.base import Backend, load_own
from edgert.build.check import check_graph
from edgert.build.derive import LOSSLESS, derive_configuration, files_of
from edgert.build.family_graphs import FamilyGraphs, edge_specs
from edgert.build.gate import GateFrames, pass_gate
from edgert.build.graph_report import Parent
from edgert.build.pack import pack_weights
from edgert.build.reuse import CompiledEngine, EngineStore
from edgert.build.targets import TARGETS
from edgert.build.verify import tolerance_for
from edgert.errors import ArtifactError, PreconditionError, VerificationError
from edgert.records import (
    Configuration,
    Cost,
    Engine,
    EngineManifest,
    EngineMemory,
    Parity,
    Precision,
)
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.precision import precision_of

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what comes next
_NO_FRAMES = GateFrames()


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
    frames: GateFrames = _NO_FRAMES,
    signing_key: Path | None = None,
    trusted_keys: Sequence[Path] = (),
    progress: Progress | None = None,
) -> BuildResult:
    """Derive, compile, pack and verify every configuration of a family.

    Args:
        folder: The family; its models' hashes were checked when it was loaded.
        backend: What compiles, and what the engines are for.
        device: Name of the folder under built/ that takes the set.
        force: Build even if everything is up to date, and compile every engine anew.
        frames: Pictures that engines are held against their graphs on.
        signing_key: Private key in PEM that the manifest is signed with.
        trusted_keys: Public keys in PEM; where there are any, a set that none of them signed is
            built anew, and nothing of it is reused.
        progress: Called before each step.

    Raises:
        EdgertError: Any step failed. The set that stood there before still stands.
    """
    target = folder.built_path(device)
    if signing_key is not None:
        load_private_key(signing_key)  # a bad one is told before the work, not after it
    reasons = ["asked for"]
    if not force:
        reasons = reasons_to_build(folder, backend, target, trusted_keys=trusted_keys)
    if not reasons:
        if signing_key is not None:
            sign_manifest(target, signing_key)
        return BuildResult(load_built(target, verify=False), rebuilt=False, reasons=[])
    with staged_folder(target) as staging:
        job = _Job(
            folder=folder,
            backend=backend,
            frames=frames,
            staging=staging,
            store=_engine_store(target, backend, force=force, trusted_keys=trusted_keys),
            progress=progress or (lambda *_: None),
            graphs=FamilyGraphs(folder),
        )
        manifest = _fill(job)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (staging / "manifest.json").write_bytes(text)
        if signing_key is not None:
            sign_manifest(staging, signing_key)
    if job.store is not None:
        job.store.clear()
    return BuildResult(BuiltSet(target, manifest), rebuilt=True, reasons=reasons)


def _engine_store(
    target: Path, backend: Backend, *, force: bool, trusted_keys: Sequence[Path]
) -> EngineStore | None:
    """Engines to be reused; None where they share their weights, which a new set mixes anew."""
    if backend.shared_weights_file:
        return None
    return EngineStore(
        target,
        built_for=backend.identity(),
        carried_files=backend.carried_files,
        reuse=not force,
        trusted_keys=trusted_keys,
    )


def reasons_to_build(
    folder: FamilyFolder, backend: Backend, target: Path, *, trusted_keys: Sequence[Path] = ()
) -> list[str]:
    """Why the set at `target` can't be used as it is, in words; empty where it can."""
    try:
        built = load_built(target, trusted_keys=trusted_keys)
    except ArtifactError as error:
        return [f"{error.subject}: {error.got}"]
    return stale_reasons(
        built.manifest, built_for=backend.identity(), built_from=_built_from(folder)
    )


def _built_from(folder: FamilyFolder) -> dict[str, str]:
    configurations = folder.family.configurations
    return built_from(
        folder, [path for c in configurations for path in files_of(c.edits, folder.path)]
    )


@dataclass
class _Job:
    """One build: what goes into it, and the folder that it fills."""

    folder: FamilyFolder
    backend: Backend
    frames: GateFrames
    staging: Path
    store: EngineStore | None  # of engines that each hold their own weights
    progress: Progress
    graphs: FamilyGraphs

    def within(self, step: int, task: str) -> Progress:
        """What tells how far one step is."""

        def tell(done: int, parts: int, what: str) -> None:
            self.progress(step, self.total, f"{task}, {done}/{parts} {what}")

        return tell

    @property
    def total(self) -> int:
        """Steps: compile, pack, verify."""
        return 2 * len(self.folder.family.configurations) + 1


@dataclass
class _Draft:
    """An engine on its way into the set."""

    configuration: Configuration
    derived: Path  # the graph that it is compiled from
    cost: Cost
    precision: Precision
    engine: CompiledEngine
    parity: Parity | None = None
    memory: EngineMemory = field(default_factory=EngineMemory)


def _fill(job: _Job) -> EngineManifest:
    """Compile everything, then pack, then verify what lies there; return what to list."""
    if job.store is not None:
        job.store.start_from(job.staging)
    drafts = [_compiled(job, index) for index in range(len(job.folder.family.configurations))]
    weights = job.backend.shared_weights_file or None
    if weights is not None:
        job.progress(len(drafts), job.total, "pack weights")
        pack_weights([job.staging / d.engine.file for d in drafts], job.staging / weights)
    parents = job.staging / "parents"
    parents.mkdir()
    for index, draft in enumerate(drafts):
        step, task = len(drafts) + 1 + index, f"verify {draft.configuration.name}"
        job.progress(step, job.total, task)
        _verify(job, draft, parents, job.within(step, task))
    shutil.rmtree(parents)
    job.progress(job.total, job.total, "done")
    inputs, outputs = edge_specs(job.graphs.base)
    return EngineManifest(
        format=2,
        family=job.folder.family.name,
        backend=job.backend.name,
        built_for=job.backend.identity(),
        built_from=_built_from(job.folder),
        weights=weights,
        weights_sha256=sha256_from_file(job.staging / weights) if weights else None,
        carried={
            name: sha256_from_file(job.staging / name)
            for name in job.backend.carried_files
            if (job.staging / name).is_file()
        },
        inputs=inputs,
        outputs=outputs,
        baselines_macs=_baselines(job.graphs.base),
        engines=[_listed(job.staging, draft) for draft in drafts],
    )


def _compiled(job: _Job, index: int) -> _Draft:
    """Derive a configuration's graph, and compile it unless there is an engine of it already."""
    configuration = job.folder.family.configurations[index]
    place = f"{job.folder.path / 'family.yaml'} at configurations[{index}]"
    subject = f"derive {configuration.name}, {place}"
    job.progress(index, job.total, f"compile {configuration.name}")
    graph = derive_configuration(job.folder, configuration, base=job.graphs, subject=subject)
    derived = job.staging / f"{configuration.name}.derived.onnx"
    save_graph(graph, derived, weights=f"{derived.stem}.weights")
    static = check_graph(
        derived,
        target=TARGETS[job.backend.name]() if job.backend.name in TARGETS else None,
        stages=("format", "operators", "shapes"),
    )
    static.refuse_errors(f"check {configuration.name}")
    file = job.staging / f"{configuration.name}{job.backend.engine_suffix}"
    graph_sha256 = _graph_sha256(derived)
    engine = job.store.take(graph_sha256, file) if job.store is not None else None
    if engine is None:
        start_s = time.perf_counter()
        report = job.backend.compile(
            derived, file, progress=job.within(index, f"compile {configuration.name}")
        )
        engine = CompiledEngine(
            file=file.name,
            sha256=sha256_from_file(file),
            graph_sha256=graph_sha256,
            built_for=job.backend.identity(),
            compiled=report,
            build_s=time.perf_counter() - start_s,
        )
        if job.store is not None:
            job.store.keep(file, engine)
    return _Draft(configuration, derived, cost_of(graph), precision_of(graph), engine)


def _verify(job: _Job, draft: _Draft, parents: Path, progress: Progress) -> None:
    """Hold an engine, as it will lie in the set, against its graph; then remove the graph.

    Latency is left to `edgert profile` and `edgert verify`: a build may run on a busy machine.
    """
    edits = draft.configuration.edits
    engine = load_own(job.backend, job.staging / draft.engine.file)
    try:
        draft.memory = engine.memory
        draft.parity = pass_gate(
            draft.derived,
            engine,
            job.backend,
            family=job.folder.family,
            parent=Parent(
                job.graphs.file_of(draft.configuration, parents),
                lossless=all(name in LOSSLESS for edit in edits for name in edit),
                edited=bool(edits),
                graph=job.graphs.of(draft.configuration),
            ),
            frames=job.frames,
            tolerance=tolerance_for(draft.precision),
            subject=f"verify {draft.configuration.name}",
            progress=progress,
        )
    except VerificationError:
        if job.store is not None:
            job.store.drop(draft.engine)
        raise
    finally:
        engine.close()
        _remove_graph(draft.derived)


def _listed(staging: Path, draft: _Draft) -> Engine:
    """The manifest's entry of an engine that passed the gate."""
    if draft.parity is None:
        raise RuntimeError(f"{draft.configuration.name} was not verified")
    file = staging / draft.engine.file
    return Engine(
        name=draft.configuration.name,
        file=file.name,
        sha256=sha256_from_file(file),  # packing wrote it anew
        size_bytes=file.stat().st_size,
        graph_sha256=draft.engine.graph_sha256,
        precision=draft.precision,
        cost=draft.cost,
        parity=draft.parity,
        memory=draft.memory,
        compiled=draft.engine.compiled,
        build_s=draft.engine.build_s,
    )


def _graph_sha256(graph: Path) -> str:
    """Of a derived graph with its weights."""
    parts = [graph, graph.with_suffix(".weights")]
    hashes = [sha256_from_file(part) for part in parts if part.is_file()]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _remove_graph(path: Path) -> None:
    path.unlink()
    (path.parent / f"{path.stem}.weights").unlink(missing_ok=True)


def _baselines(base: Graph) -> dict[str, int]:
    """What a saving may be stated against: the graph as exported, and after the lossless merge."""
    baselines = {"exported": cost_of(base).macs}
    with contextlib.suppress(PreconditionError):  # nothing to merge: one baseline is enough
        baselines["merged"] = cost_of(merge_linear(base)).macs
    return baselines
