"""`edgert doctor [FAMILY]`: what is installed, built, stale or missing, in words."""

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import edgert
from edgert.cli.output import print_json
from edgert.errors import ArtifactError, BackendError

# Package to what it is for; the extra that brings it, "" for the base install.
_PACKAGES = {
    "numpy": "", "onnxruntime": "", "msgspec": "", "pyyaml": "", "onnx": "build",
    "onnx-ir": "build", "av": "video", "pillow": "video", "matplotlib": "report",
    "torch": "export", "transformers": "export",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "families", nargs="*", metavar="FAMILY", help="default: every one under ./engines"
    )
    parser.add_argument("--backend", default="onnxruntime")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; exit status 1 if a family can't be used as it is."""
    findings: dict[str, Any] = {
        "edgert": edgert.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": _device(arguments.backend),
        "families": [_family_findings(name, arguments.backend) for name in _families(arguments)],
    }
    if arguments.json:
        print_json(findings)
    else:
        _print(findings)
    return 0 if all(not family["problems"] for family in findings["families"]) else 1


def _families(arguments: argparse.Namespace) -> list[str]:
    if arguments.families:
        return list(arguments.families)
    return sorted(str(file.parent) for file in Path("engines").glob("*/family.yaml"))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(backend: str) -> dict[str, Any]:
    from edgert.backends import open_backend

    try:
        opened = open_backend(backend)
        return {"backend": backend, "name": opened.device(), **opened.identity()}
    except BackendError as error:
        return {"backend": backend, "problem": str(error)}


def _family_findings(name: str, backend_name: str) -> dict[str, Any]:
    from edgert.backends import open_backend
    from edgert.cli.families import find_family, open_built, profile_path

    found: dict[str, Any] = {"family": name, "problems": [], "notes": []}
    try:
        backend = open_backend(backend_name)
        folder = find_family(name)
        found["configurations"] = len(folder.family.configurations)
        built = open_built(folder, backend)
        found["built"] = str(built.path)
        stem = profile_path(folder, backend, "")
        profiles = sorted(str(p) for p in stem.parent.glob(f"{stem.stem}*.json"))
        found["profiles"] = profiles
        if not profiles:
            found["notes"].append(f"no profile: edgert profile {name}")
    except (ArtifactError, BackendError) as error:
        found["problems"].append(str(error))
    return found


def _print(findings: dict[str, Any]) -> None:
    print(f"edgert {findings['edgert']} on Python {findings['python']}, {findings['machine']}")
    for package, version in findings["packages"].items():
        extra = _PACKAGES[package]
        missing = f"missing; pip install 'edgert[{extra}]' brings it" if extra else "MISSING"
        print(f"  {package:14}{version or missing}")
    device = ", ".join(f"{key} {value}" for key, value in findings["device"].items())
    print(f"device: {device}")
    for family in findings["families"]:
        state = "ready" if not family["problems"] else "NOT ready"
        print(f"{family['family']}: {state}")
        for line in family["problems"] + family["notes"]:
            print(f"  {line}")
        for profile in family.get("profiles", []):
            print(f"  profile {profile}")
