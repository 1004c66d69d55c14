"""What has changed since engines were built, or a profile was measured, in words.

Hard: what an engine was built for (runtime, device, flags) and from (graph, weights, edits and the
files that they read, edgert itself). It is built again, and refused until then. Soft: what a
measurement depends on besides (driver, power mode, threads), and that it is of these engines. It
is measured again, and used with a warning until then.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

import edgert
from edgert.artifacts.family import FamilyFolder
from edgert.artifacts.files import sha256_from_file
from edgert.records import EngineManifest, Family, Profile, ScaledModel

_EDIT_FILE = "edit file "
_CROP = "crop"


def built_from(folder: FamilyFolder, edit_files: Iterable[Path]) -> dict[str, str]:
    """What the engines of a family are built from now.

    Args:
        folder: The family; its models' hashes were checked when it was loaded.
        edit_files: What its edits read, as rankings and fitted weights.
    """
    family = folder.family
    edits = [(c.name, c.edits, *_named(c.model)) for c in family.configurations]
    files = sorted({_name_in(folder, path) for path in edit_files})
    return {
        "graph": family.base.sha256 or "",
        "weights": family.base.weights_sha256 or "",
        "configurations": hashlib.sha256(msgspec.json.encode(edits)).hexdigest(),
        "edgert": edgert.__version__,
        **_cut(family),
        **{f"model {model.name}": _identity(model, family) for model in family.models},
        **{f"{_EDIT_FILE}{name}": _sha256(folder.path / name) for name in files},
    }


def built_from_now(folder: FamilyFolder, manifest: EngineManifest) -> dict[str, str]:
    """What a set would be built from now, by the same edit files that it was built from.

    Which files an edit reads only the workshop knows, so the manifest keeps their names. Edits
    that came since change the configurations.
    """
    names = [key for key in manifest.built_from if key.startswith(_EDIT_FILE)]
    return built_from(folder, [folder.path / name.removeprefix(_EDIT_FILE) for name in names])


def stale_reasons(
    manifest: EngineManifest, *, built_for: Mapping[str, str], built_from: Mapping[str, str]
) -> list[str]:
    """What has changed since the set was built, in words; empty where it is up to date."""
    return [*_changes(manifest.built_for, built_for), *_changes(manifest.built_from, built_from)]


def profile_stale_reasons(
    profile: Profile, conditions: Mapping[str, str], manifest: EngineManifest
) -> list[str]:
    """What has changed since the profile was measured, in words; empty where it holds.

    Args:
        profile: What was measured.
        conditions: What measurements depend on now, `Backend.conditions()`.
        manifest: Of the engines that it shall speak for.
    """
    if profile.measured_under:
        now = {**conditions, **cut_of(manifest)}
        reasons = _changes(profile.measured_under, now)
    else:
        reasons = ["what it was measured under is not stated"]
    measured = {entry.name: entry for entry in profile.entries}
    built = {engine.name: engine for engine in manifest.engines}
    again = [
        name
        for name in built.keys() & measured.keys()
        if (measured[name].engine_sha256 or built[name].sha256) != built[name].sha256
        or (measured[name].graph_sha256 or built[name].graph_sha256) != built[name].graph_sha256
    ]
    for names, what in (
        (again, "built again since"),
        (built.keys() - measured.keys(), "not measured"),
        (measured.keys() - built.keys(), "no longer built"),
    ):
        if names:
            reasons.append(f"{', '.join(n for n in {**built, **measured} if n in names)} {what}")
    return reasons


def cut_of(manifest: EngineManifest) -> dict[str, str]:
    """How the pictures of a set are cut, for what is measured on them; empty: they are not."""
    return {key: value for key, value in manifest.built_from.items() if key == _CROP}


def _cut(family: Family) -> dict[str, str]:
    """Nothing where pictures are stretched: sets that were built before there was a choice stay.

    Statistics and scales that a build fits on pictures are of these.
    """
    crop = family.input.crop
    return {} if crop is msgspec.UNSET else {_CROP: str(crop)}


def _named(model: str) -> list[str]:
    """Nothing for the base model: sets that were built before there were others stay good."""
    return [model] if model else []


def _identity(model: ScaledModel, family: Family) -> str:
    """Of its files, and of both inputs: what lies between them is part of its engines."""
    parts = (model.sha256, model.weights_sha256, model.input, family.input)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{_words(key)} was {_short(then.get(key))}, is {_short(now.get(key))}"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]


def _words(key: str) -> str:
    return key if key.startswith(_EDIT_FILE) else key.replace("_", " ")


def _short(value: str | None) -> str:
    if value is None:
        return "not stated"
    return f"{value[:12]}…" if len(value) == 64 else value or "none"


def _name_in(folder: FamilyFolder, path: Path) -> str:
    """As the family writes it: relative to its folder where it lies there."""
    return str(path.relative_to(folder.path) if path.is_relative_to(folder.path) else path)


def _sha256(path: Path) -> str:
    return sha256_from_file(path) if path.is_file() else "missing"
