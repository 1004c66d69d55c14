"""The work behind `edgert profile`: open a family's engines, measure them, write what came of it.

`measure` is a profile, `sustain` a long play of the dearest engine. Both take the verb's
arguments, so that tools can measure several families with one set of flags.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgert.artifacts import BuiltSet, FamilyFolder, cut_of, save_profile, save_profile_table
from edgert.backends.base import Backend
from edgert.cli.build import own_frames
from edgert.cli.energy_bench import (
    OpenBench,
    emulated_bench,
    real_bench,
    step_from_run,
)
from edgert.cli.families import settings_from
from edgert.cli.output import ProgressBar
from edgert.cli.pictures import read_pictures
from edgert.cli.profile_energy import (
    MeasuredEnergy,
    method_from,
    plan_from,
    predicted_energy,
    seconds,
)
from edgert.cli.profile_files import write_profile_files, write_sustained_files
from edgert.emulator.power import EngineLoad
from edgert.errors import UsageError
from edgert.opening.families import (
    backend_from_settings,
    find_family,
    open_built,
    profile_path,
    trusted_keys_from,
)
from edgert.pool import Pool
from edgert.preprocess import Preprocessor
from edgert.profiling.dataset import evenly, read_image
from edgert.profiling.journal import ProfileJournal
from edgert.profiling.labelled import ScoringFrames, open_scoring_frames
from edgert.profiling.latency import measure_latencies
from edgert.profiling.profile import EngineSet, profile_engines
from edgert.profiling.sustained import SustainedRun, play_sustained
from edgert.records import Profile

_PATTERN = "test://"


@dataclass(frozen=True)
class Measured:
    """A profile, where it lies, and what lies beside it."""

    profile: Profile
    output: Path
    files: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Opened:
    """Engines that are loaded, and how each is run on one picture."""

    folder: FamilyFolder
    backend: Backend
    built: BuiltSet
    pool: Pool
    output: Path

    def run_of(self, tensor: Any) -> Callable[[str], Callable[[], Any]]:
        """For a name, what runs that engine on a tensor."""

        def run_of(name: str) -> Callable[[], Any]:
            def run() -> Any:
                self.pool.activate(name)
                return self.pool.run(tensor)

            return run

        return run_of


def measure(arguments: argparse.Namespace, *, tag: str = "") -> Measured:
    """Measure a profile and write it, with its table and plots.

    What is finished is kept in a folder beside the output until the profile is written; the same
    arguments go on from there.

    Args:
        arguments: As the verb's `fill_in` leaves them.
        tag: Of the file, where no output is named: "jtop" for FAMILY.jtop.json.

    Raises:
        EdgertError: As the parts'; nothing half-written is left where a profile stands.
    """
    family = find_family(arguments.family, verify=False).family
    labelled = None
    if arguments.dataset is not None:  # before engines are built and loaded
        labelled = open_scoring_frames(arguments.dataset, family, limit=arguments.dataset_count)
    frames = _pictures(arguments, labelled)
    with ExitStack() as undo:
        opened = _open(arguments, undo, tag)
        preprocess = Preprocessor(opened.folder.family.input)
        run_of = opened.run_of(preprocess(frames[0]).copy())
        # Before anything is measured: without sensors there is no use in that.
        bench = _bench(arguments, run_of, undo) if arguments.energy else None
        journal = undo.enter_context(
            ProfileJournal(
                _journal_folder(opened.output),
                _identity(arguments, opened),
                anew=arguments.restart,
            )
        )
        undo.enter_context(_told_where(journal))
        energy = MeasuredEnergy(arguments, bench, journal) if bench is not None else None
        progress = undo.enter_context(ProgressBar("profile"))
        profile = profile_engines(
            EngineSet(
                family=opened.folder.family,
                manifest=opened.built.manifest,
                runs={name: _with_tensor(opened.pool, name) for name in opened.pool.names},
                preprocess=preprocess,
            ),
            device=opened.backend.device(),
            frames=frames,
            labelled=labelled,
            energy_of=energy or (predicted_energy(arguments.board) if arguments.board else None),
            board=arguments.board,
            conditions=opened.backend.conditions,
            rounds=arguments.rounds,
            progress=progress,
            journal=journal,
            method=method_from(arguments),
        )
        save_profile(opened.output, profile)
        save_profile_table(table := opened.output.with_suffix(".csv"), profile)
        trace = energy.trace() if energy is not None else None
        files = write_profile_files(
            opened.output, profile, journal, kind=arguments.plots, trace=trace
        )
        journal.finish()
    return Measured(profile, opened.output, [table, *files])


def sustain(arguments: argparse.Namespace) -> tuple[SustainedRun, list[Path]]:
    """Play the dearest engine for `arguments.sustained` minutes and write what heat did."""
    frames = read_pictures(arguments.frames or _PATTERN, 1)
    with ExitStack() as undo:
        opened = _open(arguments, undo)
        run_of = opened.run_of(Preprocessor(opened.folder.family.input)(frames[0]).copy())
        engine = opened.built.manifest.engines[0]
        bench = _bench(arguments, run_of, undo)
        latency = measure_latencies({engine.name: run_of(engine.name)}, rounds=arguments.rounds)
        load = EngineLoad(latency_s=latency[engine.name].median_s, macs=engine.cost.macs)
        rig = bench({engine.name: load})
        progress = undo.enter_context(ProgressBar("sustained"))
        paced_hz = arguments.paced_fps
        step = rig.step_of(engine.name)
        if paced_hz is not None:
            step = step_from_run(rig.run_of(engine.name))
        played = play_sustained(
            step,
            rig.meter,
            rig.throttle,
            family=opened.folder.family.name,
            engine=engine.name,
            board=rig.sensing.board,
            latency_from="emulated" if arguments.board else "measured",
            duration_s=60 * arguments.sustained,
            paced_hz=paced_hz,
            progress=seconds(progress),
        )
    opened.output.parent.mkdir(parents=True, exist_ok=True)
    return played, write_sustained_files(opened.output, played, kind=arguments.plots)


# ---------------------------------------------------------------- opening


def _open(arguments: argparse.Namespace, undo: ExitStack, tag: str = "") -> _Opened:
    folder = find_family(arguments.family)
    settings = settings_from(arguments)
    backend = backend_from_settings(settings)
    keys = trusted_keys_from(settings)
    if arguments.build:
        _build(folder, backend, keys)
    built = open_built(folder, backend, trusted_keys=keys)
    output = arguments.output or profile_path(folder, backend, arguments.board)
    if tag and arguments.output is None:
        output = output.with_name(f"{output.stem}.{tag}.json")
    if output.suffix == ".csv":
        raise UsageError(
            f"--output {output}",
            expected="a name for the JSON file",
            got="that of the table beside it",
            advice=f"Write {output.with_suffix('.json')}",
        )
    # What is measured has to be loaded: in place of an engine that isn't, another would run.
    pool = undo.enter_context(
        Pool.open(built, backend, memory_bytes=settings.engines.memory_bytes, all_resident=True)
    )
    return _Opened(folder, backend, built, pool, output)


def _build(folder: FamilyFolder, backend: Backend, keys: Sequence[Path]) -> None:
    """Build what is missing or stale, and say that on stderr."""
    from edgert.build.compile import build_family  # the device half has no build extra

    with ProgressBar(f"build {folder.family.name}") as progress:
        result = build_family(
            folder,
            backend,
            device=backend.device(),
            frames=own_frames(folder),
            trusted_keys=keys,
            progress=progress,
        )
    for reason in result.reasons:
        print(f"built {result.built.path} because: {reason}", file=sys.stderr)


def _with_tensor(pool: Pool, name: str) -> Callable[[Any], Any]:
    def run_engine(tensor: Any) -> Any:
        pool.activate(name)
        return pool.run(tensor)

    return run_engine


def _bench(
    arguments: argparse.Namespace, run_of: Callable[[str], Callable[[], Any]], undo: ExitStack
) -> OpenBench:
    if arguments.board:
        return undo.enter_context(emulated_bench(arguments.board))
    return undo.enter_context(real_bench(arguments.source, arguments.root, run_of))


# ---------------------------------------------------------------- journal


def _pictures(arguments: argparse.Namespace, labelled: ScoringFrames | None) -> list[Any]:
    """The pictures that agreement is taken over."""
    count = arguments.frame_count
    if arguments.frames is None and labelled is not None:
        return [read_image(path) for path in evenly(list(labelled.pictures), count)]
    return read_pictures(_pictures_from(arguments), count)


def _pictures_from(arguments: argparse.Namespace) -> str:
    """Where these pictures come from: what is named, else the dataset, else the pattern."""
    return str(arguments.frames or arguments.dataset or _PATTERN)


def _journal_folder(output: Path) -> Path:
    return output.with_name(f"{output.stem}.journal")


def _identity(arguments: argparse.Namespace, opened: _Opened) -> dict[str, str]:
    """All that finished parts depend on, in words."""
    hashes = "".join(engine.sha256 for engine in opened.built.manifest.engines)
    energy = ""
    if arguments.energy:
        source = arguments.board or f"{arguments.source or 'found'} under {arguments.root}"
        energy = f"{source}, {plan_from(arguments).identity()}, warm-up {arguments.warm_up_s:g} s"
    dataset = arguments.dataset or "none"
    return {
        "family": opened.folder.family.name,
        "device": opened.backend.device(),
        "engines": hashlib.sha256(hashes.encode()).hexdigest()[:12],
        "frames": f"{arguments.frame_count} of {_pictures_from(arguments)}",
        "dataset": f"{arguments.dataset_count or 'all'} of {dataset}",
        "rounds": str(arguments.rounds),
        "energy": energy or "none",
        **opened.backend.conditions(),
        **cut_of(opened.built.manifest),
    }


@contextmanager
def _told_where(journal: ProfileJournal) -> Any:
    """On Ctrl-C say where the finished parts are."""
    try:
        yield
    except KeyboardInterrupt:
        print(
            f"profile: finished parts are kept in {journal.folder}; the same command goes on "
            "from there",
            file=sys.stderr,
        )
        raise
