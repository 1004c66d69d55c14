"""A built set: manifest.json, and an engine for each configuration, as they lie in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgert.artifacts.permissions import Accounts, SystemAccounts, status_of
from edgert.artifacts.signature import MANIFEST
from edgert.artifacts.trust import check_files, check_folder, check_signature, read_file
from edgert.errors import ArtifactError
from edgert.records import Engine, EngineManifest
from edgert.schema import record_from_object

_FORMAT = 2


@dataclass(frozen=True)
class BuiltSet:
    """The engines of one family for one device, as they lie in a folder.

    `signed_by` is the file name of the trusted key that signed the manifest, "" where none was
    asked for.
    """

    path: Path
    manifest: EngineManifest
    signed_by: str = ""

    @property
    def weights_path(self) -> Path | None:
        """The weights file that all engines of the set share, where they keep theirs outside."""
        return self.path / self.manifest.weights if self.manifest.weights else None

    def engine_path(self, name: str) -> Path:
        """Where the engine of a configuration lies; errors as in `engine`."""
        return self.path / self.engine(name).file

    def engine(self, name: str) -> Engine:
        """The engine of a configuration.

        Raises:
            ArtifactError: The set has no such configuration.
        """
        for engine in self.manifest.engines:
            if engine.name == name:
                return engine
        raise ArtifactError(
            f"open {self.path}",
            expected=f"a configuration among {', '.join(e.name for e in self.manifest.engines)}",
            got=f"'{name}'",
            advice="Correct the name, or build the family again",
        )


def load_built(
    path: Path,
    *,
    verify: bool = True,
    trusted_keys: Sequence[Path] = (),
    accounts: Accounts | None = None,
) -> BuiltSet:
    """Read a built set, after the checks that `trust` lists, in its order.

    Args:
        path: The folder with manifest.json.
        verify: Compare every file with its hash in the manifest; all else is always checked.
        trusted_keys: Public keys in PEM; where there are any, one has to have signed the set.
        accounts: The system's users and groups; None takes this machine's and process's.

    Raises:
        UntrustedError: Others may have changed the set, or no trusted key signed it.
        ArtifactError: No built set there, a damaged manifest, or files that differ from it.
        SettingsError: A trusted key can't be read.
    """
    accounts = accounts or SystemAccounts.of_this_process()
    file = path / MANIFEST
    _refuse_missing(path, file)
    check_folder(path, accounts)
    content = read_file(file, accounts)
    manifest = _manifest_from(content, file)
    signed_by = check_signature(path, content, trusted_keys, accounts)
    check_files(path, manifest, accounts, hashes=verify)
    return BuiltSet(path, manifest, signed_by)


def _refuse_missing(path: Path, file: Path) -> None:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"open {path}",
            expected="a built set with manifest.json",
            got="no manifest" if path.is_dir() else "no such folder",
            advice="Build it: edgert build FAMILY",
        ) from error
    except OSError:
        status_of(file)  # says what is in the way


def _manifest_from(content: bytes, file: Path) -> EngineManifest:
    try:
        parsed = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(
            f"read {file}",
            expected="JSON",
            got=str(error),
            advice="Build the set again: edgert build FAMILY",
        ) from error
    stated = parsed.get("format") if isinstance(parsed, dict) else None
    if type(stated) is int and stated != _FORMAT:
        raise ArtifactError(
            f"read {file}",
            expected=f"a manifest of format {_FORMAT}",
            got=f"format {stated}, of {'an older' if stated < _FORMAT else 'a newer'} edgert",
            advice="Build it again: edgert build FAMILY",
        )
    return record_from_object(parsed, EngineManifest, ArtifactError, subject=f"read {file}")
