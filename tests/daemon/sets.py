"""Built sets for tests of the store and of what swaps them."""

import shutil
from pathlib import Path

import msgspec

from edgert.artifacts import BuiltSet, load_built, load_family, load_profile, save_profile
from edgert.records import Family, Profile


class Workplace:
    """A copy of a profiled family, whose engines may be exchanged and damaged."""

    def __init__(self, profiled: Path, folder: Path) -> None:
        shutil.copytree(profiled, folder, dirs_exist_ok=True)
        self.folder = folder
        self.family_path = folder / "tiny"
        [self.built_path] = (f.parent for f in folder.glob("tiny/built/*/manifest.json"))
        [self.profile_path] = folder.glob("profiles/measured/*/tiny.json")

    @property
    def built(self) -> BuiltSet:
        return load_built(self.built_path)

    @property
    def family(self) -> Family:
        return load_family(self.family_path).family

    @property
    def profile(self) -> Profile:
        return load_profile(self.profile_path)

    def another_set(self, *, without: str = "") -> None:
        """Exchange the set for one of the same engines with another manifest.

        Args:
            without: A configuration that the other set does not have, nor the other profile.
        """
        manifest = self.built.manifest
        first = msgspec.structs.replace(
            manifest.engines[0], build_s=manifest.engines[0].build_s + 1
        )
        engines = [first, *(e for e in manifest.engines[1:] if e.name != without)]
        other = msgspec.structs.replace(manifest, engines=engines)
        (self.built_path / "manifest.json").write_bytes(msgspec.json.encode(other))
        if without:
            profile = self.profile
            entries = [entry for entry in profile.entries if entry.name != without]
            save_profile(self.profile_path, msgspec.structs.replace(profile, entries=entries))
