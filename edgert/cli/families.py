"""How verbs find a family and open its engines."""

import argparse
from pathlib import Path

from edgert.artifacts import BuiltSet, FamilyFolder, load_built, load_family, stale_reasons
from edgert.backends import open_backend
from edgert.backends.base import Backend
from edgert.cli.arguments import positive_int
from edgert.errors import ArtifactError
from edgert.settings import Settings


def add_family_argument(parser: argparse.ArgumentParser) -> None:
    """FAMILY, --backend and --threads."""
    parser.add_argument(
        "family", metavar="FAMILY", help="a family's folder, or its name under engines/"
    )
    parser.add_argument("--backend", help="what runs the engines (default: onnxruntime)")
    parser.add_argument(
        "--threads",
        type=positive_int,
        metavar="N",
        help="of an engine (default: one for each core)",
    )


def find_family(name: str, *, verify: bool = True) -> FamilyFolder:
    """The family of that name under ./engines, or in the folder of that path."""
    path = Path(name)
    if not path.exists() and (Path("engines") / name).is_dir():
        path = Path("engines") / name
    return load_family(path, verify=verify)


def open_built(folder: FamilyFolder, backend: Backend) -> BuiltSet:
    """The family's engines for this device, checked against their hashes.

    Raises:
        ArtifactError: They are not built, damaged, or were built for something else.
    """
    built = load_built(folder.built_path(backend.device()))
    reasons = stale_reasons(
        built.manifest,
        built_for=backend.identity(),
        built_from={
            **built.manifest.built_from,
            "graph": folder.family.base.sha256,
            "weights": folder.family.base.weights_sha256 or "",
        },
    )
    if reasons:
        raise ArtifactError(
            f"open {built.path}",
            expected="engines built for this device and model",
            got="; ".join(reasons),
            advice=f"Build them again: edgert build {folder.path}",
        )
    return built


def backend_from(arguments: argparse.Namespace) -> Backend:
    """The backend that --backend and --threads ask for."""
    return open_backend(arguments.backend or Settings().backend, threads=arguments.threads)


def profile_path(folder: FamilyFolder, backend: Backend, board: str) -> Path:
    """Where a family's profile for this device, and an emulated board if any, lies."""
    stem = f"{backend.device()}.{Path(board).stem}" if board else backend.device()
    return Path("profiles") / "measured" / folder.family.name / f"{stem}.json"
