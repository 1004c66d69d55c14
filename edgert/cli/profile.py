"""`edgert profile FAMILY`: latency, accuracy and energy of a family's engines on this device."""

import argparse
from pathlib import Path
from typing import Any

from edgert.cli.arguments import positive_int
from edgert.cli.families import (
    add_family_argument,
    backend_from,
    find_family,
    open_built,
    profile_path,
)
from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.errors import UsageError
from edgert.records import Profile, ProfileEntry
from edgert.units import text_from_count, text_from_duration

_READ_AT_MOST = 300  # frames of a video that pictures are picked from
_WARM_C = 60.0  # die temperature that an emulated energy is stated at


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    add_family_argument(parser)
    parser.add_argument(
        "--frames",
        default="test://",
        metavar="SOURCE",
        help="video or folder of pictures; agreement with the dearest engine is taken over them "
        "(default: %(default)s, a generated pattern)",
    )
    parser.add_argument(
        "--frame-count",
        type=positive_int,
        default=20,
        metavar="N",
        help="how many (default: %(default)s)",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        metavar="DIR",
        help="labelled frames, DIR/images and DIR/labels; without, the family's own figures stand",
    )
    parser.add_argument(
        "--dataset-count", type=positive_int, metavar="N", help="use N of its frames"
    )
    parser.add_argument(
        "--board", default="", metavar="NAME", help="emulated board whose energy is computed"
    )
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=10,
        metavar="N",
        help="of timing (default: %(default)s)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the profile")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the profile, and print it."""
    from edgert.artifacts import save_profile
    from edgert.pool import Pool
    from edgert.preprocess import Preprocessor
    from edgert.profiling.dataset import open_labelled_frames
    from edgert.profiling.profile import EngineSet, profile_engines

    folder = find_family(arguments.family)
    backend = backend_from(arguments)
    built = open_built(folder, backend)
    labelled = None
    if arguments.dataset is not None:
        labelled = open_labelled_frames(arguments.dataset, limit=arguments.dataset_count)
    frames = _pictures(arguments.frames, arguments.frame_count)
    with Pool.open(built, backend) as pool, ProgressBar("profile") as progress:

        def runner(name: str) -> Any:
            def run_engine(tensor: Any) -> Any:
                pool.activate(name)
                return pool.run(tensor)

            return run_engine

        profile = profile_engines(
            EngineSet(
                family=folder.family,
                manifest=built.manifest,
                runs={name: runner(name) for name in pool.names},
                preprocess=Preprocessor(folder.family.input),
            ),
            device=backend.device(),
            frames=frames,
            labelled=labelled,
            energy_of=_energy_of(arguments.board) if arguments.board else None,
            board=arguments.board,
            rounds=arguments.rounds,
            progress=progress,
        )
    output = arguments.output or profile_path(folder, backend, arguments.board)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_profile(output, profile)
    if arguments.json:
        print_json(profile)
    else:
        print(f"{output}: {len(profile.entries)} engines of {profile.family} on {profile.device}")
        print_profile(profile)
    return 0


def print_profile(profile: Profile) -> None:
    """Print a profile as a table, and say under it what its columns stand on."""
    dearest = profile.entries[0]
    print_table([_row(profile, dearest, entry) for entry in profile.entries])
    print(f"accuracy: {dearest.accuracy_from}")
    if dearest.energy_from is not None:
        print(
            f"power and energy: {dearest.energy_from} ({profile.board}), not measured on a board"
        )


def _row(profile: Profile, dearest: ProfileEntry, entry: ProfileEntry) -> dict[str, str]:
    row = {"name": entry.name}
    if entry.macs is not None:
        row["MACs"] = text_from_count(entry.macs)
        for baseline, macs in profile.baselines_macs.items():
            row[f"of {baseline}"] = f"{entry.macs / macs:.1%}"
    if entry.latency is not None:
        row["latency"] = text_from_duration(entry.latency.median_s)
        row["p95"] = text_from_duration(entry.latency.p95_s)
        row[f"of {dearest.name}"] = f"{entry.latency_s / dearest.latency_s:.1%}"
    if entry.accuracy is not None:
        row["accuracy"] = f"{entry.accuracy:.2%}"
    if entry.agreement is not None:
        row["agreement"] = f"{entry.agreement:.2%}"
    if entry.energy_j is not None and entry.power_w is not None:
        row[f"power ({entry.energy_from})"] = f"{entry.power_w:.1f} W"
        row[f"energy ({entry.energy_from})"] = f"{entry.energy_j * 1e3:.0f} mJ"
    return row


def _energy_of(board: str) -> Any:
    """What engines draw back to back on an emulated board, warm but not throttled."""
    from edgert.cli.boards import find_board_spec
    from edgert.emulator.power import EngineLoad, PowerModel
    from edgert.profiling.profile import EngineEnergy

    spec = find_board_spec(board)

    def energy_of(engines: Any) -> Any:
        loads = {n: EngineLoad(latency_s=t, macs=macs) for n, (t, macs) in engines.items()}
        model = PowerModel(spec.power, max(loads.values(), key=lambda load: load.latency_s))
        predicted = {n: model.predict(load, temp_c=_WARM_C) for n, load in loads.items()}
        return {
            name: EngineEnergy(power_w=power_w, energy_j=energy_j, provenance="emulated")
            for name, (power_w, energy_j) in predicted.items()
        }

    return energy_of


def _pictures(source: str, count: int) -> list[Any]:
    """Pictures (H, W, 3) spread over a folder or over the first frames of a video."""
    from edgert.profiling.dataset import evenly, image_files, read_image
    from edgert.video.source import open_source

    if Path(source).is_dir():
        pictures = [read_image(path) for path in evenly(image_files(Path(source)), count)]
    else:
        video = open_source(source, max_frames=_READ_AT_MOST)
        try:
            images = []
            while (frame := video.read()) is not None:
                images.append(frame.image)
        finally:
            video.close()
        pictures = evenly(images, count)
    if not pictures:
        raise UsageError(
            f"--frames {source}", expected="pictures", got="none", advice="Name another source"
        )
    return pictures
