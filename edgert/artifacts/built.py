"""A built set: manifest.json, one weights file, and an engine for each configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgert.artifacts.files import sha256_from_file
from edgert.errors import ArtifactError
from edgert.records import EngineManifest
from edgert.schema import record_from_json


@dataclass(frozen=True)
class BuiltSet:
    """The engines of one family for one device, as they lie in a folder."""

    path: Path
    manifest: EngineManifest

    @property
    def weights_path(self) -> Path:
        """The weights file that all engines of the set share."""
        return self.path / self.manifest.weights

    def engine_path(self, name: str) -> Path:
        """The engine of a configuration.

        Raises:
            ArtifactError: The set has no such configuration.
        """
        for engine in self.manifest.engines:
            if engine.name == name:
                return self.path / engine.file
        raise ArtifactError(
            f"open {self.path}",
            expected=f"a configuration among {', '.join(e.name for e in self.manifest.engines)}",
            got=f"'{name}'",
            advice="Correct the name, or build the family again",
        )


def load_built(path: Path, *, verify: bool = True) -> BuiltSet:
    """Read a built set.

    Args:
        path: The folder with manifest.json.
        verify: Compare every engine and the weights with the hashes in the manifest.

    Raises:
        ArtifactError: No built set there, a damaged manifest, or files that differ from it.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise ArtifactError(
            f"open {path}",
            expected="a built set with manifest.json",
            got="no manifest" if path.is_dir() else "no such folder",
            advice="Build it: edgert build FAMILY",
        )
    built = BuiltSet(path, record_from_json(file, EngineManifest, ArtifactError))
    if verify:
        manifest = built.manifest
        _check_hash(built.weights_path, manifest.weights_sha256)
        for engine in manifest.engines:
            _check_hash(path / engine.file, engine.sha256)
    return built


def stale_reasons(
    manifest: EngineManifest, *, built_for: Mapping[str, str], built_from: Mapping[str, str]
) -> list[str]:
    """What has changed since the set was built, in words; empty where it is up to date."""
    reasons = []
    for then, now in ((manifest.built_for, built_for), (manifest.built_from, built_from)):
        for key in sorted({*then, *now}):
            old, new = then.get(key), now.get(key)
            if old != new:
                reasons.append(f"{key.replace('_', ' ')} was {_short(old)}, is {_short(new)}")
    return reasons


def _short(value: str | None) -> str:
    if value is None:
        return "not stated"
    return f"{value[:12]}…" if len(value) == 64 else value


def _check_hash(path: Path, stated: str) -> None:
    try:
        actual = sha256_from_file(path)
    except OSError as error:
        actual = (error.strerror or "an unreadable file").lower()
    if actual != stated:
        raise ArtifactError(
            f"open {path}",
            expected=f"sha256 {stated[:12]}… as the manifest states",
            got=f"{actual[:12]}…" if len(actual) == 64 else actual,
            advice="Build the set again: edgert build FAMILY",
        )
