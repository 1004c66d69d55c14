"""How verbs find a family, open its engines, and read what was measured of them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgert.artifacts import BuiltSet
from edgert.backends.base import Backend
from edgert.cli.arguments import positive_int
from edgert.opening.families import backend_from_settings, read_profile
from edgert.records import Profile
from edgert.settings import Settings, load_settings


def add_family_argument(parser: argparse.ArgumentParser) -> None:
    """FAMILY, --backend, --threads and --settings."""
    parser.add_argument(
        "family", metavar="FAMILY", help="a family's folder, or its name under engines/"
    )
    add_backend_arguments(parser)


def add_backend_arguments(parser: argparse.ArgumentParser) -> None:
    """--backend and --threads."""
    parser.add_argument("--backend", help="what runs the engines (default: onnxruntime)")
    parser.add_argument(
        "--threads",
        type=positive_int,
        metavar="N",
        help="of an engine (default: one for each core)",
    )
    parser.add_argument("--settings", type=Path, metavar="FILE.yaml", help="what else can be set")


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The settings, with --settings, --backend and --threads."""
    return load_settings(
        arguments.settings,
        flags={"backend": arguments.backend, "threads": arguments.threads},
    )


def backend_from(arguments: argparse.Namespace) -> Backend:
    """The backend that the settings and the flags ask for."""
    return backend_from_settings(settings_from(arguments))


def open_profile(
    file: Path, built: BuiltSet, backend: Backend, *, measure: str
) -> tuple[Profile, list[str]]:
    """A profile, and what has changed since it was measured, which is said on stderr.

    Arguments and errors are those of `read_profile`.
    """
    profile, reasons = read_profile(file, built, backend, measure=measure)
    if reasons:
        print(stale_profile_line(file, reasons, measure), file=sys.stderr)
    return profile, reasons


def stale_profile_line(file: Path, reasons: Sequence[str], measure: str) -> str:
    """That a profile is stale, why, and what to do."""
    return f"{file}: {'; '.join(reasons)}: measure again: {measure}"
