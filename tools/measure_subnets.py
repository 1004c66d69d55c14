r"""A supernet's subnets by accuracy and time: before and after recalibration, and trained alone.

    python tools/measure_subnets.py engines/ofa-small --labels PATCHES/val \
        --calibration PATCHES/train --alone FOLDER/alone -o engines/ofa-small/measured.json

For each configuration: top-1 with the statistics that training left, top-1 with its own, and the
time of a run against the whole supernet's, in rounds in which all take turns. One that has no
statistics of its own is recalibrated here, on the pictures of --calibration. FOLDER/alone holds
what `tools/train_supernet.py --alone` made; each of them is held against the configuration of its
shape, or against a subnet of its shape where no configuration has it, its statistics measured anew
on the same pictures. --plot draws them all.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from one_line import status_of
from supernet.alone import alone_checkpoints, missing_shapes

from edgert.artifacts import FamilyFolder, load_family
from edgert.artifacts.files import write_atomically
from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive, derive_configuration
from edgert.calibration.picture_batches import Batches, pick_pictures
from edgert.calibration.recalibration import measure_statistics
from edgert.cli.arguments import positive_int
from edgert.cli.output import print_table
from edgert.errors import UsageError
from edgert.families.ofa_checkpoint import read_supernet, stated_space
from edgert.families.ofa_resnet50 import supernet_graph
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import is_right
from edgert.profiling.labelled import ScoringFrames, open_scoring_frames
from edgert.records import Configuration
from edgert.report.style import BLUE, GREY, ORANGE, drawn
from edgert.search.latency import Run, measure_costs
from edgert.search.trial import serialised
from edgert.surgery.batchnorm import with_statistics
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph

Array = NDArray[Any]
_RECALIBRATE = "recalibrate_batchnorm"
_DRAWS = 2000


@dataclass(frozen=True)
class Bench:
    """What every subnet is measured on."""

    folder: FamilyFolder
    base: Graph
    frames: ScoringFrames
    calibration: Batches

    def top1(self, graph: Graph) -> dict[str, float]:
        """The share of pictures that a graph gets right, with its 95 % interval.

        Patches of one frame are alike, so that the interval comes from drawing frames.
        """
        session = session_from_bytes(serialised(graph), threads=1)
        prepare = Preprocessor(self.folder.family.input)
        run = partial(_logits, session, graph.inputs[0].name)
        right = [is_right(run(prepare(image)), label) for image, label in self.frames.read()]
        session.close()
        low, high = interval_by_frame(right, [frame_of(path) for path in self.frames.pictures])
        return {"top1": round(float(np.mean(right)), 4), "low": low, "high": high}

    def derived(self, configuration: Configuration, *, recalibrated: bool) -> Graph:
        """A configuration's graph, with statistics of its own or with those of the training.

        One without statistics of its own is given some here, of the calibration pictures.
        """
        name, bare = configuration.name, _uncalibrated(configuration)
        if recalibrated and bare != configuration.edits:
            return derive_configuration(self.folder, configuration, base=self.base, subject=name)
        graph = derive(self.base, bare, subject=name, folder=self.folder.path)
        return self.calibrated(graph, name) if recalibrated else graph

    def calibrated(self, graph: Graph, subject: str) -> Graph:
        """A graph with statistics of the calibration pictures."""
        return with_statistics(graph, measure_statistics(graph, self.calibration), subject=subject)

    def alone(self, checkpoint: Path, configuration: Configuration) -> Graph:
        """A subnet that was trained alone, its statistics measured anew."""
        space = stated_space(checkpoint)
        size = self.folder.family.input.height
        whole = supernet_graph(read_supernet(checkpoint, space), space, image_size=size)
        graph = derive(whole, _uncalibrated(configuration), subject=str(checkpoint))
        return self.calibrated(graph, str(checkpoint))


def frame_of(path: Path) -> str:
    """The frame that a patch was cut from, as tools/cut_patches.py names them."""
    return path.stem.rsplit("_", 3)[0]


def interval_by_frame(right: Sequence[bool], frames: Sequence[str]) -> tuple[float, float]:
    """95 % interval of a share, by drawing whole frames with replacement."""
    names, of = np.unique(frames, return_inverse=True)
    sums = np.bincount(of, weights=np.asarray(right, float))
    counts = np.bincount(of)
    draws = np.random.default_rng(0).integers(0, len(names), (_DRAWS, len(names)))
    low, high = np.percentile(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def _uncalibrated(configuration: Configuration) -> list[Any]:
    return [edit for edit in configuration.edits if _RECALIBRATE not in edit]


def _logits(session: Session, name: str, tensor: Array) -> Array:
    return next(iter(session.run({name: tensor}).values()))


def measured_rows(
    bench: Bench, alone: Mapping[str, Path], *, rounds: int
) -> Iterator[dict[str, Any]]:
    """One row for each configuration, dearest first; times at the end, for all together.

    What was trained alone has a row of its own where no configuration has its shape.
    """
    configurations = [
        *bench.folder.family.configurations,
        *missing_shapes(bench.folder.family, alone),
    ]
    rows: list[dict[str, Any]] = []
    runs: dict[str, Run] = {}
    tensor = np.array(Preprocessor(bench.folder.family.input)(next(bench.frames.read())[0]))
    for configuration in configurations:
        print(f"{configuration.name}: top-1", file=sys.stderr, flush=True)
        graph = bench.derived(configuration, recalibrated=True)
        row = {
            "name": configuration.name,
            "subnet": configuration.note,
            "mmacs": round(cost_of(graph).macs / 1e6, 3),
            "before": bench.top1(bench.derived(configuration, recalibrated=False)),
            "after": bench.top1(graph),
        }
        if configuration.note in alone:
            row["alone"] = bench.top1(bench.alone(alone[configuration.note], configuration))
        session = session_from_bytes(serialised(graph), threads=1)
        runs[configuration.name] = partial(_logits, session, graph.inputs[0].name, tensor)
        rows.append(row)
    print(f"time: {rounds} rounds", file=sys.stderr, flush=True)
    first = configurations[0].name
    full, costs = measure_costs(
        runs[first],
        {name: run for name, run in runs.items() if name != first},
        rounds=rounds,
        runs_per_round=5,
    )
    costs[first] = full
    for row in sorted(rows, key=lambda row: -row["mmacs"]):
        cost = costs[str(row["name"])]
        yield {
            **row,
            "time_ratio": round(cost.ratio, 4),
            "time_ratio_error": round(cost.error, 4),
            "median_s": cost.median_s,
        }


def check_outputs(options: argparse.Namespace) -> None:
    """Tell before an hour of measuring what can't be written after it.

    Raises:
        UsageError: A file's folder is not there, or one round, which tells no spread.
    """
    for path in (options.output, options.plot):
        if path is not None and not path.parent.is_dir():
            raise UsageError(
                f"write {path}", expected="a folder that is there", got="none", advice="Make it"
            )
    if options.rounds < 2:
        raise UsageError(
            "--rounds", expected="2 or more", got="1", advice="One round tells no spread"
        )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; what the file says."""
    check_outputs(options)
    folder = load_family(options.family)
    base = load_graph(folder.graph_path)
    frames = open_scoring_frames(options.labels, folder.family)
    paths = pick_pictures(options.calibration, options.count)
    bench = Bench(folder, base, frames, Batches(paths, folder.family.input, options.batch))
    alone = alone_checkpoints(options.alone, folder.family.labels)
    return {
        "family": folder.family.name,
        "pictures": len(frames),
        "dataset": frames.name,
        "calibration": options.count,
        "rounds": options.rounds,
        "threads": 1,
        "rows": list(measured_rows(bench, alone, rounds=options.rounds)),
    }


def table_rows(result: dict[str, Any]) -> list[dict[str, str]]:
    """The table that is printed."""

    def share(row: dict[str, Any], kind: str) -> str:
        found = row.get(kind)
        if found is None:
            return ""
        return f"{found['top1']:.1%} ({found['low']:.1%} to {found['high']:.1%})"

    return [
        {
            "configuration": row["name"],
            "subnet": row["subnet"],
            "MMACs": f"{row['mmacs']:.2f}",
            "time": f"{row['time_ratio']:.3f} ± {row['time_ratio_error']:.3f}",
            "before": share(row, "before"),
            "recalibrated": share(row, "after"),
            "alone": share(row, "alone"),
        }
        for row in result["rows"]
    ]


_KINDS = {  # colour and marker of what is drawn
    "before": ("statistics of the training", GREY, "o"),
    "after": ("recalibrated", BLUE, "o"),
    "alone": ("trained alone", ORANGE, "^"),
}


def plot(result: dict[str, Any], path: Path) -> None:
    """Top-1 with its interval over the time of a run, as a PNG."""

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        for kind, (label, color, marker) in _KINDS.items():
            rows = [row for row in result["rows"] if kind in row]
            shares, low, high = (
                100 * np.array([row[kind][part] for row in rows])
                for part in ("top1", "low", "high")
            )
            # Lists: of arrays, matplotlib takes the first for a number, which NumPy warns of.
            spread = [(shares - low).tolist(), (high - shares).tolist()]
            axes.errorbar(
                [row["time_ratio"] for row in rows], shares, spread,
                fmt=marker, color=color, label=label, markersize=5, elinewidth=1, capsize=2,
            )  # fmt: skip
        axes.set(
            xlabel=f"time of a run, of {result['rows'][0]['name']}",
            ylabel=f"top-1 on {result['pictures']} pictures, %",
            xlim=(0, 1.05),
        )
        axes.legend(loc="lower right")

    write_atomically(path, drawn(fill, size=(7.2, 4.2), kind="png"))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("family", type=Path, metavar="FAMILY")
    parser.add_argument("--labels", type=Path, required=True, metavar="DIR", help="class folders")
    parser.add_argument("--calibration", type=Path, required=True, metavar="DIR")
    parser.add_argument("--alone", type=Path, metavar="DIR", help="networks trained alone")
    parser.add_argument("--count", type=positive_int, default=2000, metavar="N")
    parser.add_argument("--batch", type=positive_int, default=100, metavar="N")
    parser.add_argument("--rounds", type=positive_int, default=20, metavar="N")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure, write what was asked for, and print the table."""
    result = measure(options)
    if options.output is not None:
        write_atomically(options.output, json.dumps(result, indent=1) + "\n")
    if options.plot is not None:
        plot(result, options.plot)
    print(
        f"{result['family']}: top-1 on {result['pictures']} pictures of {result['dataset']}; time "
        f"of a run against {result['rows'][0]['name']}, median of {result['rounds']} rounds, "
        f"{result['threads']} thread"
    )
    print_table(table_rows(result), left=("configuration", "subnet"))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 or 2 with one line on stderr."""
    options = parsed(arguments)
    return status_of(lambda: run(options), "measure_subnets")


if __name__ == "__main__":
    sys.exit(main())
