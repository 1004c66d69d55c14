"""`edgert build FAMILY`: derive, compile and verify the engines of a family."""

import argparse

from edgert.cli.families import add_family_argument, backend_from, find_family
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.units import text_from_count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument("--force", action="store_true", help="build even what is up to date")


def run(arguments: argparse.Namespace) -> int:
    """Build, and print what stands there now."""
    from edgert.build.compile import build_family

    folder = find_family(arguments.family)
    backend = backend_from(arguments)
    with ProgressBar(f"build {folder.family.name}") as progress:
        result = build_family(
            folder, backend, device=backend.device(), force=arguments.force, progress=progress
        )
    if arguments.json:
        print_json(
            {
                "path": str(result.built.path),
                "rebuilt": result.rebuilt,
                "reasons": result.reasons,
                "manifest": result.built.manifest,
            }
        )
        return 0
    for reason in result.reasons:
        print(f"built because: {reason}")
    print(f"{result.built.path}: {'built' if result.rebuilt else 'up to date'}")
    manifest = result.built.manifest
    print_table(
        [
            {
                "name": engine.name,
                "MACs": text_from_count(engine.cost.macs),
                **{
                    f"of {baseline}": f"{engine.cost.macs / macs:.1%}"
                    for baseline, macs in manifest.baselines_macs.items()
                },
                "parameters": text_from_count(engine.cost.parameters),
                "largest difference": f"{engine.parity.max_abs_difference:.1e}",
                "same labels": f"{engine.parity.label_agreement:.2%}",
            }
            for engine in manifest.engines
        ]
    )
    return 0
