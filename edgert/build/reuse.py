"""Engines that need not be compiled again: a build of hours, killed, goes on where it was.

Two places have them. A set that stands, of which a configuration's graph and everything that
engines depend on are the same as now: so a family with one configuration more costs one compile.
And the folder of a build that did not end, where each engine is put as soon as it is there.

What is reused passes the parity gate like what is new.
"""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgert.artifacts import BuiltSet, load_built, sha256_from_file, write_atomically
from edgert.errors import ArtifactError
from edgert.records import CompileReport, FileName, NotNegative, Record, Sha256
from edgert.schema import record_from_json


class CompiledEngine(Record, frozen=True, kw_only=True):
    """An engine as its compiler left it, before it is checked."""

    file: FileName
    sha256: Sha256
    graph_sha256: Sha256  # of the graph that it was compiled from
    built_for: dict[str, str]
    compiled: CompileReport
    build_s: NotNegative


class EngineStore:
    """Where engines that exist already are looked for, and new ones kept until the set is whole.

    Args:
        target: The set that is built; the unfinished one lies beside it.
        built_for: What engines depend on now.
        carried_files: That a backend writes beside engines and starts from the next time.
        reuse: False keeps new engines, but finds none that were there before.
        trusted_keys: Public keys, one of which has to have signed a set that is reused.
    """

    def __init__(
        self,
        target: Path,
        *,
        built_for: Mapping[str, str],
        carried_files: Sequence[str] = (),
        reuse: bool = True,
        trusted_keys: Sequence[Path] = (),
    ) -> None:
        self._folder = target.with_name(f".{target.name}.unfinished")
        self._standing = _standing(target, trusted_keys)
        self._built_for, self._carried = dict(built_for), carried_files
        if not reuse:
            self._standing = None
            self.clear()

    def start_from(self, staging: Path) -> None:
        """Copy what a backend starts from into the folder that is filled, the newest there is."""
        for name in self._carried:
            for source in (self._folder / name, self._carried_of_standing(name)):
                if source is not None and source.is_file():
                    shutil.copyfile(source, staging / name)
                    break

    def take(self, graph_sha256: str, file: Path) -> CompiledEngine | None:
        """Copy an engine of that graph to `file` if there is one, whole and for this device."""
        for source, engine in self._candidates(graph_sha256):
            if source.is_file() and sha256_from_file(source) == engine.sha256:
                shutil.copyfile(source, file)
                return msgspec.structs.replace(engine, file=file.name)
        return None

    def keep(self, file: Path, engine: CompiledEngine) -> None:
        """Keep a new engine, and what its backend carried on, should this build be killed.

        Raises:
            ArtifactError: The disk is full.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for path in (file, *(file.with_name(name) for name in self._carried)):
            if path.is_file():
                write_atomically(self._folder / path.name, path.read_bytes())
        write_atomically(self._folder / f"{file.name}.json", msgspec.json.encode(engine))

    def drop(self, engine: CompiledEngine) -> None:
        """Forget an engine that was found wrong: compiled again it may be right."""
        for name in (engine.file, f"{engine.file}.json"):
            (self._folder / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget what an unfinished build left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _candidates(self, graph_sha256: str) -> list[tuple[Path, CompiledEngine]]:
        found = [
            (self._folder / engine.file, engine)
            for engine in self._unfinished()
            if engine.graph_sha256 == graph_sha256 and engine.built_for == self._built_for
        ]
        if self._standing is not None and self._standing.manifest.built_for == self._built_for:
            found += [
                (
                    self._standing.path / engine.file,
                    CompiledEngine(
                        file=engine.file,
                        sha256=engine.sha256,
                        graph_sha256=engine.graph_sha256,
                        built_for=self._built_for,
                        compiled=engine.compiled,
                        build_s=engine.build_s,
                    ),
                )
                for engine in self._standing.manifest.engines
                if engine.graph_sha256 == graph_sha256
            ]
        return found

    def _unfinished(self) -> list[CompiledEngine]:
        engines = []
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(ArtifactError):  # of another version: compiled again
                engines.append(record_from_json(path, CompiledEngine, ArtifactError))
        return engines

    def _carried_of_standing(self, name: str) -> Path | None:
        """A standing set's file, unless it is not what that set's manifest says."""
        if self._standing is None or name not in self._standing.manifest.carried:
            return None
        path = self._standing.path / name
        stated = self._standing.manifest.carried[name]
        return path if path.is_file() and sha256_from_file(path) == stated else None


def _standing(target: Path, trusted_keys: Sequence[Path]) -> BuiltSet | None:
    """The set that stands there; its engines' hashes are compared when they are taken."""
    try:
        return load_built(target, verify=False, trusted_keys=trusted_keys)
    except ArtifactError:
        return None
