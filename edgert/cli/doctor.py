"""`edgert doctor [FAMILY]`: what is installed, built, stale, untrusted or missing, in words."""

import argparse
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import edgert
from edgert.backends.base import Backend
from edgert.cli.families import settings_from
from edgert.cli.findings import (
    FamilyFinding,
    MachineFinding,
    look_at_family,
    look_at_machine,
    look_at_thermal,
)
from edgert.cli.output import print_json
from edgert.errors import EdgertError
from edgert.opening.families import backend_from_settings, trusted_keys_from
from edgert.telemetry.health import findings as findings_of_sensors

_BASE = "MISSING"
# Package to what to do where it is missing: the extra that brings it, or words of its own.
_PACKAGES = {
    "numpy": "", "onnxruntime": "", "msgspec": "", "pyyaml": "", "onnx": "build",
    "onnx-ir": "build", "av": "video", "pillow": "video", "matplotlib": "report",
    "torch": "export", "transformers": "export", "cuda-bindings": "cuda",
    "tensorrt-rtx-cu12": "rtx", "nvidia-modelopt": "modelopt", "cryptography": "sign",
    "jetson-stats": "jtop",
}  # fmt: skip
# JetPack's own come from its package archive, into the system's Python.
_FROM_ELSEWHERE = {
    "tensorrt": "apt install python3-libnvinfer, and venv --system-site-packages",
    "pycuda": "pip install 'edgert[pycuda]' builds it, where cuda-bindings are not wanted",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "families", nargs="*", metavar="FAMILY", help="default: every one under ./engines"
    )
    parser.add_argument("--backend", help="what runs the engines (default: onnxruntime)")
    parser.add_argument("--settings", type=Path, metavar="FILE.yaml", help="what else can be set")
    parser.set_defaults(threads=None)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; exit status 1 if a family can't be used as it is.

    Those that are not filled yet are told, and count only where they were named.
    """
    settings = settings_from(arguments)
    backend, device = _device(settings)
    families = [
        look_at_family(name, backend, trusted_keys_from(settings)) for name in _families(arguments)
    ]
    machine = look_at_machine()
    findings: dict[str, Any] = {
        "edgert": edgert.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: _version(name) for name in (*_PACKAGES, *_FROM_ELSEWHERE)},
        "board": machine,
        "sensors": findings_of_sensors(),
        "device": device,
        "thermal": look_at_thermal(backend, machine) if backend is not None else [],
        "families": families,
    }
    if arguments.json:
        print_json(findings)
    else:
        _print(findings)
    asked_for = bool(arguments.families)  # what was found by itself may be still to be filled
    wrong = [family for family in families if family.problems and (family.filled or asked_for)]
    return 1 if wrong else 0


def _families(arguments: argparse.Namespace) -> list[str]:
    if arguments.families:
        return list(arguments.families)
    return sorted(str(file.parent) for file in Path("engines").glob("*/family.yaml"))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(settings: Any) -> tuple[Backend | None, dict[str, str]]:
    told = {"backend": settings.backend}
    try:
        backend = backend_from_settings(settings)
        return backend, {**told, "name": backend.device(), **backend.identity()}
    except EdgertError as error:
        return None, {**told, "problem": str(error)}


def _print(findings: dict[str, Any]) -> None:
    print(f"edgert {findings['edgert']} on Python {findings['python']}, {findings['machine']}")
    for package, version in findings["packages"].items():
        print(f"  {package:18}{version or _how_to_get(package)}")
    for line in board_lines(findings["board"]):
        print(line)
    for finding in findings["sensors"]:
        print(f"  {finding.level}: {finding}")
    print(f"device: {', '.join(f'{key} {value}' for key, value in findings['device'].items())}")
    for found in findings["thermal"]:
        why = f", {found.why}" if found.why else ""
        print(f"thermal constants {found.state}: {found.path}{why}")
    if not findings["thermal"]:
        print("thermal constants: none here, edgert calibrate FAMILY finds them")
    for family in findings["families"]:
        _print_family(family)


def _how_to_get(package: str) -> str:
    if package in _FROM_ELSEWHERE:
        return f"missing; {_FROM_ELSEWHERE[package]}"
    extra = _PACKAGES[package]
    return f"missing; pip install 'edgert[{extra}]' brings it" if extra else _BASE


def board_lines(found: MachineFinding) -> list[str]:
    """What a reader wants to know of the machine."""
    machine, board = found.machine, found.board
    if not any((machine.model, machine.part_number, machine.l4t)):
        return ["board: no Jetson, by what this machine says"]
    told = {
        "module": machine.part_number, "SoC": machine.soc, "L4T": machine.l4t,
        "JetPack": machine.jetpack, "power mode": machine.power_mode,
    }  # fmt: skip
    says = ", ".join(f"{what} {value or 'unknown'}" for what, value in told.items())
    lines = [f"board: {machine.model or 'no name'}, {says}"]
    if found.problem:
        lines.append(f"  {found.problem}")
    elif board is None:
        lines.append("  no board file knows this module; write one under profiles/boards")
    else:
        lines.append(f"  board file {board.name}: {board.description}")
    return lines


def _print_family(family: FamilyFinding) -> None:
    state = "NOT ready" if family.problems else "ready"
    print(f"{family.family}: {state if family.filled else 'not filled, passed over'}")
    told = {found.why for found in family.sets}
    for line in (*(p for p in family.problems if p not in told), *family.notes):
        print(f"  {line}")
    for found in family.sets:
        facts = [f"{found.engines} engines by {found.backend}"] if found.engines else []
        facts += [*found.plans, *([f"signed by {found.signed_by}"] if found.signed_by else [])]
        facts += [found.why] if found.why else []
        print(f"  engines {found.state}: {found.path}{''.join(f', {fact}' for fact in facts)}")
        for line in found.memory.splitlines()[:1] if found.state == "ready" else []:
            print(f"    memory: {line}")
        if found.unlisted:
            print(f"    unlisted, and read by nothing: {', '.join(found.unlisted)}")
    for profile in family.profiles:
        why = f", {profile.why}" if profile.why else ""
        print(f"  profile {profile.state}: {profile.path}{why}")
