"""The engine sets that a daemon runs: its own copies, the last good one and the one before.

    engines/3f2a90c1d4e5b6a7/          by the first digits of the manifest's hash
        built/                         the set as it was built: manifest, signature, engines
        family.json, profile.json      what else it takes to run it
        origin.json                    which family was asked for
    engines/current -> 3f2a90c1d4e5b6a7
    engines/previous -> 88c0…
    engines/trying                     the set that is being taken just now

A daemon runs its copies and never the folder that `edgert build` writes, so that this folder may
be deleted, half copied or written over while frames run, and the next start has what it needs.
Copies and no links: who copies a new engine over an old file writes into that very file, and a
link would pass that on to a running engine.

A set comes to be whole or not at all, and is the current one in one step. Whatever is killed in
between leaves the set that was current before.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgert.artifacts import BuiltSet, load_built, load_profile, save_profile, staged_folder
from edgert.artifacts.files import write_atomically, write_record
from edgert.artifacts.signature import MANIFEST, SIGNATURE
from edgert.artifacts.trust import listed_files
from edgert.errors import ArtifactError
from edgert.records import Family, Profile, Record
from edgert.schema import record_from_json

_CURRENT, _PREVIOUS, _TRYING = "current", "previous", "trying"
_DIGITS = 16
_PRIVATE = 0o700


class Origin(Record, frozen=True, kw_only=True):
    """Where a stored set is from."""

    family: str  # as the settings name it


class StoredSet(NamedTuple):
    """A set in the store, by its folder."""

    folder: Path

    @property
    def id(self) -> str:
        """First digits of the manifest's hash."""
        return self.folder.name

    def family(self) -> Family:
        """What family.yaml said when the set was stored.

        Raises:
            ArtifactError: It is damaged.
        """
        return record_from_json(self.folder / "family.json", Family, ArtifactError)

    def profile(self) -> Profile:
        """What was measured of the set, as it was known last; errors as in `family`."""
        return load_profile(self.folder / "profile.json")

    def origin(self) -> Origin:
        """Where it is from; errors as in `family`."""
        return record_from_json(self.folder / "origin.json", Origin, ArtifactError)

    def load(self, trusted_keys: Sequence[Path]) -> BuiltSet:
        """The set after all checks; errors as in `load_built`."""
        return load_built(self.folder / "built", trusted_keys=trusted_keys)

    def keep_profile(self, profile: Profile) -> None:
        """Take a newer profile of the same engines.

        Raises:
            ArtifactError: The disk is full or the folder can't be written to; the old one stays.
        """
        save_profile(self.folder / "profile.json", profile)


class EngineStore:
    """The sets under one folder. One process at a time; it holds the state folder's lock.

    Args:
        folder: Made where it is not there.

    Raises:
        ArtifactError: It can't be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self.sweep()
        except OSError as error:
            raise _unwritable(folder, error) from error

    def current(self) -> StoredSet | None:
        """The last good set, if there is one."""
        return self._led_to(_CURRENT)

    def previous(self) -> StoredSet | None:
        """The good set before it."""
        return self._led_to(_PREVIOUS)

    def trying(self) -> str:
        """The id of the set at whose taking the daemon ended; "" for none."""
        try:
            return (self._folder / _TRYING).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def put(
        self, built: BuiltSet, family: Family, profile: Profile, *, asked_family: str
    ) -> StoredSet:
        """Copy a set; one that is here already is left as it is, but for its profile.

        Raises:
            ArtifactError: The disk is full, or a file vanished meanwhile; nothing stays then.
        """
        stored = StoredSet(self._folder / set_id(built.path))
        if stored.folder.is_dir():
            stored.keep_profile(profile)
            return stored
        with staged_folder(stored.folder) as staging:
            target = staging / "built"
            target.mkdir()
            names = [MANIFEST, SIGNATURE, *(name for name, _, _ in listed_files(built.manifest))]
            for name in names:
                _copy(built.path / name, target / name, optional=name == SIGNATURE)
            write_record(staging / "family.json", family)
            write_record(staging / "origin.json", Origin(family=asked_family))
            save_profile(staging / "profile.json", profile)
        return stored

    def begin(self, stored: StoredSet) -> None:
        """Note that a set is being taken: a daemon that ends before `take` does not try again.

        Raises:
            ArtifactError: The disk is full or can't be written to.
        """
        write_atomically(self._folder / _TRYING, f"{stored.id}\n")

    def take(self, stored: StoredSet) -> None:
        """Make a set the current one, in one step; the one before is kept, all others go.

        Raises:
            ArtifactError: The disk is full or can't be written to; the current one stays.
        """
        before = self.current()
        if before is not None and before != stored:
            self._link(_PREVIOUS, before)
        self._link(_CURRENT, stored)
        self.end()
        self.sweep()

    def end(self) -> None:
        """Nothing is being taken any more."""
        with contextlib.suppress(OSError):
            (self._folder / _TRYING).unlink()

    def drop(self, stored: StoredSet) -> None:
        """Remove a set that was refused; the current one and the one before stay."""
        if stored not in (self.current(), self.previous()):
            shutil.rmtree(stored.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what was left half copied, and all sets but two."""
        kept = {stored.id for stored in (self.current(), self.previous()) if stored}
        for path in self._folder.iterdir():
            if path.name in (_CURRENT, _PREVIOUS, _TRYING) or path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _led_to(self, name: str) -> StoredSet | None:
        try:
            target = (self._folder / name).readlink()
        except OSError:
            return None
        folder = self._folder / target.name
        return StoredSet(folder) if folder.is_dir() else None

    def _link(self, name: str, stored: StoredSet) -> None:
        temporary = self._folder / f".{name}.tmp"
        try:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(stored.id)
            temporary.replace(self._folder / name)
            _sync(self._folder)
        except OSError as error:
            raise _unwritable(self._folder / name, error) from error


def set_id(built: Path) -> str:
    """What a set in a folder is called here.

    Raises:
        ArtifactError: Its manifest can't be read.
    """
    try:
        content = (built / MANIFEST).read_bytes()
    except OSError as error:
        raise _vanished(built / MANIFEST, error) from error
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _copy(source: Path, target: Path, *, optional: bool) -> None:
    try:
        shutil.copyfile(source, target, follow_symlinks=False)
    except FileNotFoundError as error:
        if not optional:
            raise _vanished(source, error) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"write {path}",
        expected="room on the disk, and a folder that can be written to",
        got=(error.strerror or str(error)).lower(),
        advice="Free some space and start again",
    )


def _vanished(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"copy {path}",
        expected="a file of a built set",
        got=(error.strerror or str(error)).lower(),
        advice="Build it: edgert build FAMILY",
    )
