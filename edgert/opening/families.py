"""A family, the backend, the engines that are built for it, and their profile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgert.artifacts import (
    BuiltSet,
    FamilyFolder,
    built_from_now,
    load_built,
    load_family,
    load_profile,
    profile_stale_reasons,
    stale_reasons,
)
from edgert.backends import open_backend
from edgert.backends.base import Backend
from edgert.boards import Board, find_board, read_machine
from edgert.errors import ArtifactError
from edgert.records import Profile
from edgert.settings import Settings


def find_family(name: str, *, verify: bool = True, root: Path = Path()) -> FamilyFolder:
    """The family in the folder of that path, or of that name under `root`/engines.

    Args:
        name: As the operator writes it.
        verify: Compare the base model's files with their hashes.
        root: Where `engines` lies, if not where edgert was started.

    Raises:
        ArtifactError: There is none, or it is damaged.
    """
    path = Path(name)
    if not path.exists() and (root / "engines" / name).is_dir():
        path = root / "engines" / name
    return load_family(path, verify=verify)


def backend_from_settings(settings: Settings) -> Backend:
    """The backend that the settings name, with what they set for it.

    Raises:
        BackendError: There is none of that name, or it refuses a setting.
        SettingsError: A board file is damaged.
        MissingDependencyError: The vendor's package is not installed.
    """
    board = None
    if settings.backend == "tensorrt":
        board = find_board(read_machine())
    return open_backend(settings.backend, **backend_options(settings, board))


def backend_options(settings: Settings, board: Board | None) -> dict[str, Any]:
    """What the settings have for the backend that they name, as its arguments.

    Args:
        settings: Everything that is set.
        board: What this machine is, where a file knows it; it limits a build's workspace where
            the settings don't.
    """
    if settings.backend == "tensorrt":
        chosen = settings.tensorrt
        return {
            "threads": settings.threads,
            "binding": chosen.binding,
            "dla_core": chosen.dla_core,
            "workspace_bytes": chosen.workspace_bytes or (board and board.workspace_bytes),
            "optimisation_level": chosen.optimisation_level,
        }
    return {"threads": settings.threads}


def trusted_keys_from(settings: Settings) -> tuple[Path, ...]:
    """The public keys of which one has to have signed a set; none asks for no signature."""
    return tuple(Path(key) for key in settings.engines.trusted_keys)


def open_built(
    folder: FamilyFolder, backend: Backend, *, trusted_keys: Sequence[Path] = ()
) -> BuiltSet:
    """The family's engines for this device, after all checks.

    Raises:
        UntrustedError: Others may have changed them, or no trusted key signed them.
        ArtifactError: They are not built, damaged, or were built for or from something else.
        SettingsError: A trusted key can't be read.
    """
    built = load_built(folder.built_path(backend.device()), trusted_keys=trusted_keys)
    if reasons := set_stale_reasons(folder, built, backend):
        raise ArtifactError(
            f"open {built.path}",
            expected="engines built for this device and model",
            got="; ".join(reasons),
            advice=f"Build them again: edgert build {folder.path}",
        )
    return built


def set_stale_reasons(folder: FamilyFolder, built: BuiltSet, backend: Backend) -> list[str]:
    """What has changed since the family's engines were built, in words."""
    manifest, reasons = built.manifest, []
    if manifest.family != folder.family.name:
        reasons.append(f"family was {manifest.family}, is {folder.family.name}")
    return reasons + stale_reasons(
        manifest,
        built_for=backend.identity(),
        built_from=built_from_now(folder, manifest),
    )


def profile_path(
    folder: FamilyFolder, backend: Backend, board: str, *, root: Path = Path()
) -> Path:
    """Where a family's profile for this device, and an emulated board if any, lies."""
    device = f"{backend.device()}.{Path(board).stem}" if board else backend.device()
    return root / "profiles" / "measured" / device / f"{folder.family.name}.json"


def read_profile(
    file: Path, built: BuiltSet, backend: Backend, *, measure: str
) -> tuple[Profile, list[str]]:
    """A profile of the engines that there are, and what has changed since, in words.

    What it has of configurations that are no longer built is left out: whoever chose one of them
    would have nothing to run. The words name them.

    Args:
        file: The profile.
        built: The engines that it shall speak for.
        backend: What runs them.
        measure: The command that measures one.

    Raises:
        ArtifactError: There is none, it is damaged, or it has none of these engines.
    """
    if not file.is_file():
        raise ArtifactError(
            f"read {file}",
            expected="a profile of the family's engines on this device",
            got="no such file",
            advice=f"Measure one: {measure}",
        )
    profile = load_profile(file)
    reasons = profile_stale_reasons(profile, backend.conditions(), built.manifest)
    return of_these_engines(profile, built, where=str(file), measure=measure), reasons


def of_these_engines(profile: Profile, built: BuiltSet, *, where: str, measure: str) -> Profile:
    """The profile without the configurations that there is no engine for.

    Args:
        profile: As it was measured, perhaps on other engines.
        built: The engines.
        where: What the profile was read from, for the error.
        measure: The command that measures one.

    Raises:
        ArtifactError: There is an engine for none of them.
    """
    names = [engine.name for engine in built.manifest.engines]
    entries = [entry for entry in profile.entries if entry.name in names]
    if not entries:
        measured = ", ".join(entry.name for entry in profile.entries) or "none"
        raise ArtifactError(
            f"read {where}",
            expected=f"figures of the engines that are built: {', '.join(names)}",
            got=f"figures of {measured}",
            advice=f"Measure them: {measure}",
        )
    return msgspec.structs.replace(profile, entries=entries)


def measure_command(family: str, board: str) -> str:
    """The command that measures a family's engines."""
    return f"edgert profile {family}{f' --board {board}' if board else ''}"
