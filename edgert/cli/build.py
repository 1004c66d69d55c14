"""`edgert build FAMILY`: derive, compile and verify the engines of a family."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.cli.arguments import positive_int
from edgert.cli.families import add_family_argument, settings_from
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.opening.families import backend_from_settings, find_family, trusted_keys_from
from edgert.units import text_from_count

if TYPE_CHECKING:
    from edgert.artifacts import FamilyFolder
    from edgert.build.gate import GateFrames
    from edgert.records import TaskParity

_FRAMES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument("--force", action="store_true", help="build even what is up to date")
    add_build_arguments(parser)


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that say how engines are held against their graphs, and who signs them."""
    add_gate_arguments(parser)
    parser.add_argument(
        "--sign",
        type=Path,
        metavar="KEY.pem",
        help="private key, as `edgert keys` makes one, that the manifest is signed with",
    )


def add_gate_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that say on which pictures engines are held against their graphs."""
    parser.add_argument(
        "--frames",
        metavar="SOURCE",
        help="video or folder of pictures that engines are held against their graphs on, besides "
        "noise, waves and extremes (default: the folder frames/ in the family, where it has one)",
    )
    parser.add_argument(
        "--frame-count",
        type=positive_int,
        default=_FRAMES,
        metavar="N",
        help="how many of them, spread evenly (default: %(default)s)",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="labelled frames, DIR/images and DIR/labels, or for a classifier a folder of "
        "pictures for each class, for the task's score of both",
    )
    parser.add_argument(
        "--dataset-count", type=positive_int, metavar="N", help="use N of its frames"
    )


def gate_frames(arguments: argparse.Namespace, folder: "FamilyFolder") -> "GateFrames":
    """The pictures that these flags name."""
    from edgert.build.gate import GateFrames
    from edgert.cli.pictures import read_pictures
    from edgert.profiling.labelled import open_scoring_frames

    if arguments.frames is None:
        frames = own_frames(folder, arguments.frame_count)
    else:
        frames = GateFrames(pictures=read_pictures(arguments.frames, arguments.frame_count))
    if arguments.dataset is None:
        return frames
    labelled = open_scoring_frames(arguments.dataset, folder.family, limit=arguments.dataset_count)
    return replace(frames, labelled=labelled)


def own_frames(folder: "FamilyFolder", count: int = _FRAMES) -> "GateFrames":
    """The pictures that the family brings along for the gate, if any."""
    from edgert.build.gate import GateFrames
    from edgert.cli.pictures import read_pictures

    own = folder.path / "frames"
    return GateFrames(pictures=read_pictures(str(own), count) if own.is_dir() else ())


def run(arguments: argparse.Namespace) -> int:
    """Build, and print what stands there now."""
    from edgert.build.compile import build_family

    folder = find_family(arguments.family)
    settings = settings_from(arguments)
    backend = backend_from_settings(settings)
    frames = gate_frames(arguments, folder)
    with ProgressBar(f"build {folder.family.name}") as progress:
        result = build_family(
            folder,
            backend,
            device=backend.device(),
            force=arguments.force,
            frames=frames,
            signing_key=arguments.sign,
            trusted_keys=trusted_keys_from(settings),
            progress=progress,
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
                **_task_columns(engine.parity.task),
            }
            for engine in manifest.engines
        ]
    )
    parity = manifest.engines[0].parity
    if parity.task is not None:
        print(f"engine and graph: {parity.task.frames} frames, truth: {parity.task.truth}")
    elif not parity.frames:
        print(
            "held against their graphs on noise, waves and extremes only: --frames adds pictures"
        )
    return 0


def _task_columns(task: "TaskParity | None") -> dict[str, str]:
    """The task's score of an engine and of its graph, where there were pictures."""
    if task is None:
        return {}
    return {f"{task.metric} engine": f"{task.engine:.2%}", "graph": f"{task.graph:.2%}"}
