"""Which set of engines a daemon runs: the last good one, or what lies in the family's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgert.artifacts import BuiltSet, FamilyFolder, stale_reasons
from edgert.backends.base import Backend
from edgert.control.options import Options
from edgert.daemon.engine_store import EngineStore, StoredSet, set_id
from edgert.errors import EdgertError
from edgert.opening.families import (
    find_family,
    measure_command,
    of_these_engines,
    open_built,
    profile_path,
    read_profile,
    set_stale_reasons,
    trusted_keys_from,
)
from edgert.records import Family, Profile
from edgert.settings import Settings


class FoundSet(NamedTuple):
    """A stored set after all checks, with what it takes to run it."""

    stored: StoredSet
    built: BuiltSet
    family: Family
    profile: Profile
    stale: list[str]  # what has changed since it was built and measured, in words


class Start(NamedTuple):
    """What a daemon begins with."""

    found: FoundSet
    notes: list[str]  # in words, for events
    newer: bool  # the family's folder has another set


class Finder:
    """Finds sets, as the settings name them.

    Args:
        settings: The family, its profile, the keys that are trusted.
        backend: What would run them.
        store: The daemon's own sets.
        root: Where `engines` and `profiles` lie.
    """

    def __init__(
        self, settings: Settings, backend: Backend, store: EngineStore, root: Path
    ) -> None:
        self._settings, self._backend, self._store, self._root = settings, backend, store, root
        self._keys = trusted_keys_from(settings)

    def at_start(self) -> Start:
        """The last good set where there is one, since it is known to run; else the built one.

        Raises:
            EdgertError: There is neither; the line is about the built one.
        """
        kept, notes = self._kept()
        if kept is None:
            return Start(self.newest(), notes, newer=False)
        try:
            folder, newest_id = self._newest_id()
        except EdgertError as error:
            return Start(kept, [*notes, f"the set of before is served: {error}"], newer=False)
        if newest_id != kept.stored.id:
            return Start(kept, notes, newer=True)
        found, note = self._with_newest_profile(folder, kept)
        notes = [*notes, note] if note else notes
        reasons = set_stale_reasons(folder, kept.built, self._backend)
        if reasons:
            notes = [*notes, f"the engines are stale: {'; '.join(reasons)}"]
            found = found._replace(stale=[*reasons, *found.stale])
        return Start(found, notes, newer=False)

    def newest_id(self) -> str:
        """Of the set in the family's folder.

        Raises:
            EdgertError: There is none.
        """
        return self._newest_id()[1]

    def measured_since(self, kept: FoundSet) -> FoundSet:
        """A set with the profile that lies beside the family's engines now; keeps nothing.

        Args:
            kept: The set, which is the one in the family's folder.

        Raises:
            EdgertError: There is no profile, or it is damaged, of other engines, or of no use.
        """
        folder = find_family(self._settings.family, verify=False, root=self._root)
        return self._measured(folder, kept)

    def newest(self) -> FoundSet:
        """The set in the family's folder after all checks, copied into the store.

        Raises:
            EdgertError: It is not there, damaged, stale, untrusted, or the disk is full.
        """
        settings, backend = self._settings, self._backend
        folder = find_family(settings.family, verify=False, root=self._root)
        built = open_built(folder, backend, trusted_keys=self._keys)
        profile, stale = self._read_profile(folder, built)
        family = folder.family
        stored = self._store.put(built, family, profile, asked_family=settings.family)
        return FoundSet(stored, stored.load(self._keys), family, profile, stale)

    def _newest_id(self) -> tuple[FamilyFolder, str]:
        folder = find_family(self._settings.family, verify=False, root=self._root)
        return folder, set_id(folder.built_path(self._backend.device()))

    def _kept(self) -> tuple[FoundSet | None, list[str]]:
        notes = []
        for stored in (self._store.current(), self._store.previous()):
            if stored is None:
                continue
            try:
                # By its last word: with its folder gone, where a name leads can't be told.
                if Path(stored.origin().family).name != Path(self._settings.family).name:
                    continue
                found = self._opened(stored)
            except EdgertError as error:
                notes.append(f"the stored set {stored.id} is not served: {error}")
                continue
            return found, notes
        return None, notes

    def _opened(self, stored: StoredSet) -> FoundSet:
        built = stored.load(self._keys)
        manifest = built.manifest
        reasons = stale_reasons(
            manifest, built_for=self._backend.identity(), built_from=manifest.built_from
        )
        if reasons:
            raise _foreign(stored, reasons)
        settings = self._settings
        profile = of_these_engines(
            stored.profile(),
            built,
            where=f"the profile of the stored set {stored.id}",
            measure=measure_command(settings.family, settings.board),
        )
        return FoundSet(stored, built, stored.family(), profile, [])

    def _with_newest_profile(self, folder: FamilyFolder, kept: FoundSet) -> tuple[FoundSet, str]:
        """With what was measured since; else with the profile as stored, and why, in words."""
        try:
            found = self._measured(folder, kept)
            kept.stored.keep_profile(found.profile)
        except EdgertError as error:
            return kept, f"the profile of before is used: {error}"
        return found, ""

    def _measured(self, folder: FamilyFolder, kept: FoundSet) -> FoundSet:
        profile, stale = self._read_profile(folder, kept.built)
        Options(profile)  # whether it can be chosen from
        return kept._replace(profile=profile, stale=stale)

    def _read_profile(self, folder: FamilyFolder, built: BuiltSet) -> tuple[Profile, list[str]]:
        settings = self._settings
        beside = profile_path(folder, self._backend, settings.board, root=self._root)
        return read_profile(
            Path(settings.profile) if settings.profile else beside,
            built,
            self._backend,
            measure=measure_command(settings.family, settings.board),
        )


def _foreign(stored: StoredSet, reasons: Sequence[str]) -> EdgertError:
    return EdgertError(
        f"open the stored set {stored.id}",
        expected="engines built for this machine",
        got="; ".join(reasons),
        advice="Build the family again on this machine",
    )
