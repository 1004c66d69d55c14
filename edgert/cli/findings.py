"""What `edgert doctor` finds: the machine, every set in a family's built/, every profile of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edgert.artifacts import (
    BuiltSet,
    FamilyFolder,
    load_built,
    load_profile,
    load_thermal,
    profile_stale_reasons,
    thermal_path,
    unlisted_files,
    why_thermal_unfit,
)
from edgert.backends.base import Backend
from edgert.backends.tensorrt.plan_header import plan_version
from edgert.boards import Board, Machine, find_board, read_machine
from edgert.errors import ArtifactError, BackendError, EdgertError, SettingsError, UntrustedError
from edgert.opening.families import find_family, profile_path, set_stale_reasons
from edgert.pool import plan_built, text_from_plan
from edgert.records import Record

_HEADER_BYTES = 64  # of a plan
SetState = Literal[
    "ready", "stale", "missing", "damaged", "untrusted", "of another device", "not compared"
]
ProfileState = Literal["holds", "stale", "damaged", "unknown"]


class SetFinding(Record, frozen=True, kw_only=True):
    """A set of engines, or the place where one should lie. `why` says what is wrong with it."""

    path: str
    state: SetState
    why: str = ""
    backend: str = ""
    engines: int = 0
    plans: tuple[str, ...] = ()  # what built its plans, by their headers: "TensorRT 10.3.0.30"
    signed_by: str = ""
    unlisted: tuple[str, ...] = ()  # files that the manifest doesn't know, and nothing reads
    memory: str = ""  # what its engines would take now, in lines


class ProfileFinding(Record, frozen=True, kw_only=True):
    """A profile; `why` says what has changed since, or what is wrong with it."""

    path: str
    state: ProfileState
    why: str = ""


class FamilyFinding(Record, frozen=True, kw_only=True):
    """A family: one with problems can't be used as it is, notes are good to know.

    One that is not filled was written down without its models' files, and can't be used either.
    """

    family: str
    filled: bool = True
    configurations: int = 0
    sets: tuple[SetFinding, ...] = ()
    profiles: tuple[ProfileFinding, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class MachineFinding(Record, frozen=True, kw_only=True):
    """What the machine says of itself, and the board file that knows it."""

    machine: Machine
    board: Board | None
    problem: str = ""


def look_at_thermal(backend: Backend, machine: MachineFinding) -> list[ProfileFinding]:
    """The thermal constants of this device, with whatever emulated board; none is no finding.

    Args:
        backend: Whose device it is.
        machine: Its board and power mode, which the device's own constants must be of.
    """
    own = thermal_path(Path("profiles"), backend.device())
    folders = {own.parent, *own.parent.parent.glob(f"{own.parent.name}.*")}
    files = sorted(folder / own.name for folder in folders)
    return [_thermal(f, own, backend, machine) for f in files if os.path.exists(f)]


def _thermal(file: Path, own: Path, backend: Backend, machine: MachineFinding) -> ProfileFinding:
    try:
        constants = load_thermal(file)
    except ArtifactError as error:
        return ProfileFinding(path=str(file), state="damaged", why=str(error))
    board, mode = file.parent.name.removeprefix(f"{backend.device()}."), ""
    if file == own:
        board, mode = machine.board.name if machine.board else "", machine.machine.power_mode
    why = why_thermal_unfit(constants, device=backend.device(), board=board, power_mode=mode)
    if not why:
        return ProfileFinding(path=str(file), state="holds")
    flag = "" if file == own else f" --board {board}"
    why = f"{why}: find them again: edgert calibrate FAMILY{flag}"
    return ProfileFinding(path=str(file), state="stale", why=why)


def look_at_machine(root: Path = Path("/")) -> MachineFinding:
    """What the machine under `root` is; a damaged board file is a finding too."""
    machine = read_machine(root)
    try:
        return MachineFinding(machine=machine, board=find_board(machine))
    except SettingsError as error:
        return MachineFinding(machine=machine, board=None, problem=str(error))


def look_at_family(
    name: str, backend: Backend | None, trusted_keys: Sequence[Path]
) -> FamilyFinding:
    """Look at a family's folder and at its profiles under ./profiles/measured.

    Args:
        name: The family, as a verb takes it.
        backend: What its engines shall run on; None where that can't be opened.
        trusted_keys: Of which one has to have signed a set.
    """
    try:
        if find_family(name, verify=False).unfilled:
            why = f"not filled yet: python tools/export_segformer.py --fill {name}"
            return FamilyFinding(family=name, filled=False, problems=(why,))
        folder = find_family(name)
        device = backend.device() if backend is not None else ""
        sets = _sets(folder, backend, device, trusted_keys)
    except EdgertError as error:
        return FamilyFinding(family=name, problems=(str(error),))
    except OSError as error:
        return FamilyFinding(
            family=name, problems=(f"look into {error.filename}: {error.strerror}",)
        )
    problems, notes = [], []
    own = next((found for found in sets if found.path == str(folder.built_path(device))), None)
    if backend is None or own is None:
        problems.append("its engines can't be checked: the backend can't be opened")
    elif own.state != "ready":
        problems.append(own.why)
    profiles = _profiles(folder, backend, own) if backend is not None else []
    if backend is not None and not profiles:
        notes.append(f"no profile: edgert profile {name}")
    return FamilyFinding(
        family=name,
        configurations=len(folder.family.configurations),
        sets=tuple(sets),
        profiles=tuple(profiles),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _sets(
    folder: FamilyFolder, backend: Backend | None, device: str, trusted_keys: Sequence[Path]
) -> list[SetFinding]:
    """The set for this device first, whether it is there or not, then the others."""
    own = [folder.built_path(device)] if backend is not None else []
    built = folder.path / "built"
    there = sorted(built.iterdir()) if built.is_dir() else []
    others = [p for p in there if p.is_dir() and p not in own and not p.name.startswith(".")]
    found = [_set(path, folder, backend, trusted_keys, own=True) for path in own]
    return found + [_set(path, folder, backend, trusted_keys, own=False) for path in others]


def _set(
    path: Path,
    folder: FamilyFolder,
    backend: Backend | None,
    trusted_keys: Sequence[Path],
    *,
    own: bool,
) -> SetFinding:
    try:
        built = load_built(path, trusted_keys=trusted_keys)
    except UntrustedError as error:
        return SetFinding(path=str(path), state="untrusted", why=str(error))
    except ArtifactError as error:
        state: SetState = "damaged" if os.path.exists(path / "manifest.json") else "missing"
        return SetFinding(path=str(path), state=state, why=str(error))
    state, why = _state(folder, built, backend, own=own)
    return SetFinding(
        path=str(path),
        state=state,
        why=why,
        backend=built.manifest.backend,
        engines=len(built.manifest.engines),
        plans=tuple(_plans(built)),
        signed_by=built.signed_by,
        memory=_memory(built, backend) if own and backend is not None else "",
        unlisted=tuple(unlisted_files(path, built.manifest)),
    )


def _memory(built: BuiltSet, backend: Backend) -> str:
    """Which engines would be resident, and what they take; why none could be, in words."""
    try:
        return text_from_plan(plan_built(built, backend))
    except BackendError as error:
        return str(error)


def _state(
    folder: FamilyFolder, built: BuiltSet, backend: Backend | None, *, own: bool
) -> tuple[SetState, str]:
    """Whether a whole set is this device's and up to date; what for or why not, in words."""
    if backend is None or not own:
        told = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in _told(built).items())
        return "not compared" if backend is None else "of another device", told
    reasons = set_stale_reasons(folder, built, backend)
    if not reasons:
        return "ready", ""
    return "stale", f"{'; '.join(reasons)}: build them again: edgert build {folder.path}"


def _told(built: BuiltSet) -> dict[str, str]:
    """What a set was built for, but for hashes, which tell a reader nothing."""
    return {key: v for key, v in built.manifest.built_for.items() if v and len(v) != 64}


def _plans(built: BuiltSet) -> list[str]:
    """What built a set's plans, by their headers; empty where the engines are no plans."""
    versions = set()
    for engine in built.manifest.engines:
        if engine.file.endswith(".plan"):
            with (built.path / engine.file).open("rb") as file:
                version = plan_version(file.read(_HEADER_BYTES))
            versions.add(str(version) if version else f"no plan: {engine.file}")
    return sorted(versions)


def _profiles(
    folder: FamilyFolder, backend: Backend, own: SetFinding | None
) -> list[ProfileFinding]:
    """Profiles of this device, with whatever emulated board."""
    own_file = profile_path(folder, backend, "")
    device = own_file.parent
    emulated = device.parent.glob(f"{device.name}.*/{own_file.name}")
    files = sorted({*device.glob(own_file.name), *emulated})
    return [_profile(file, folder, backend, own) for file in files]


def _profile(
    file: Path, folder: FamilyFolder, backend: Backend, own: SetFinding | None
) -> ProfileFinding:
    try:
        profile = load_profile(file)
        if own is None or own.state not in ("ready", "stale"):
            why = "its engines can't be looked at"
            return ProfileFinding(path=str(file), state="unknown", why=why)
        manifest = load_built(Path(own.path), verify=False).manifest
        reasons = profile_stale_reasons(profile, backend.conditions(), manifest)
    except EdgertError as error:
        return ProfileFinding(path=str(file), state="damaged", why=str(error))
    if not reasons:
        return ProfileFinding(path=str(file), state="holds")
    board = f" --board {profile.board}" if profile.board else ""
    why = f"{'; '.join(reasons)}: measure again: edgert profile {folder.path}{board}"
    return ProfileFinding(path=str(file), state="stale", why=why)
