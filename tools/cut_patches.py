"""Cut labelled patches from segmented frames: pictures to classify, of frames that are painted.

    python tools/cut_patches.py CAMVID -o FOLDER [--labels engines/segformer-b0-camvid]

CAMVID holds train/ and val/, each with images/ and labels/. A square window becomes a patch of the
class that covers most of it, if that is enough of it and little is void; windows of four sizes,
all brought to the same size, so that near and far things are alike in the picture. What is written
is FOLDER/train/<label>/ and FOLDER/val/<label>/, as `edgert search --labels` reads classes, and
patches.json, which says what was taken and what was left out. Patches of one split never come from
frames of the other.

Patches that were cut before are replaced; a folder of anything else is refused. No class has
more patches than --most; each frame gives few, spread evenly over the frames, and no two of a
class that overlap much. Classes with fewer than --least patches in either split are left out, by
name. The same frames and numbers give the same patches, byte by byte.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from one_line import status_of

from edgert.artifacts import load_family, staged_folder
from edgert.cli.arguments import positive_int, seed_number
from edgert.errors import ArtifactError, UsageError
from edgert.optional import needs
from edgert.profiling.dataset import LabelledFrames, open_labelled_frames

Array = NDArray[Any]

SPLITS = ("train", "val")
REPORT = "patches.json"
WINDOWS = (32, 48, 64, 96)  # rows and columns of the windows in the frame
_LABELS = Path(__file__).parent.parent / "engines" / "segformer-b0-camvid"


class Window(NamedTuple):
    """A square in a frame and the class that covers most of it."""

    label: int
    size: int
    top: int
    left: int

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of its middle."""
        return self.top + self.size / 2, self.left + self.size / 2


@dataclass(frozen=True)
class Rules:
    """What makes a window a patch.

    Attributes:
        size: Rows and columns of the patches that are written.
        share: Of the window that its class has to cover.
        void_share: Of the window that may be void.
        most: Patches of one class in train.
        val_most: Patches of one class in val.
        least: Patches that a class needs in both splits to be taken.
        void: The label that does not count.
        seed: Which of several windows are taken.
    """

    size: int = 64
    share: float = 0.5
    void_share: float = 0.1
    most: int = 1200
    val_most: int = 250
    least: int = 60
    void: int = 11
    seed: int = 0


def windows_of(labels: Array, rules: Rules, classes: int) -> Iterator[Window]:
    """All windows of a frame's label map (H, W) that are clear enough, on a grid of a quarter."""
    onehot = labels[..., None] == np.arange(classes)
    counts = _summed(np.concatenate([onehot, (labels == rules.void)[..., None]], axis=-1))
    for size in WINDOWS:
        step = size // 4
        boxes = _boxes(counts, size, step) / size**2
        best = boxes[..., :-1].argmax(axis=-1)
        share = np.take_along_axis(boxes[..., :-1], best[..., None], axis=-1)[..., 0]
        clear = (share >= rules.share) & (boxes[..., -1] <= rules.void_share)
        for row, column in np.argwhere(clear):
            label = int(best[row, column])
            yield Window(label, size, int(row) * step, int(column) * step)


def _summed(onehot: Array) -> Array:
    """Sums over all pixels above and to the left, with a row and a column of zeros before."""
    sums = onehot.astype(np.int32).cumsum(axis=0).cumsum(axis=1)
    return np.pad(sums, ((1, 0), (1, 0), (0, 0)))


def _boxes(sums: Array, size: int, step: int) -> Array:
    """Pixels of each class in the windows of one size (rows, columns, classes)."""
    here, there = sums[:-size:step, :-size:step], sums[size::step, size::step]
    return there - sums[:-size:step, size::step] - sums[size::step, :-size:step] + here


def chosen_windows(
    frames: LabelledFrames, rules: Rules, classes: int, *, most: int
) -> dict[int, list[tuple[int, Window]]]:
    """For each class the windows that are taken, each with the index of its frame.

    Frames take turns: each gives its first window of a class, then each its second, until there
    are enough. Where the last turn gives too many, its frames are drawn.
    """
    draw = np.random.default_rng(rules.seed)
    turns: dict[int, list[list[tuple[int, Window]]]] = defaultdict(list)
    for frame, (_, labels) in enumerate(frames):
        found = list(windows_of(labels, rules, classes))
        for label in range(classes):
            own = [window for window in found if window.label == label]
            apart = _apart([own[index] for index in draw.permutation(len(own))])
            for turn, window in enumerate(apart):
                if turn == len(turns[label]):
                    turns[label].append([])
                turns[label][turn].append((frame, window))
    return {label: _first(turns[label], most, draw) for label in sorted(turns)}


def _apart(windows: list[Window]) -> list[Window]:
    """Those whose middles are half a window away from those before them."""
    kept: list[Window] = []
    for window in windows:
        row, column = window.middle
        if all(
            max(abs(row - other.middle[0]), abs(column - other.middle[1]))
            >= min(window.size, other.size) / 2
            for other in kept
        ):
            kept.append(window)
    return kept


def _first(
    turns: list[list[tuple[int, Window]]], most: int, draw: np.random.Generator
) -> list[tuple[int, Window]]:
    taken: list[tuple[int, Window]] = []
    for turn in turns:
        room = most - len(taken)
        if len(turn) > room:
            picked = sorted(draw.choice(len(turn), room, replace=False))
            return taken + [turn[index] for index in picked]
        taken += turn
    return taken


# ---------------------------------------------------------------- writing


def check_output(output: Path) -> None:
    """Refuse to replace what this tool did not write.

    Raises:
        UsageError: Something is there that is neither patches nor an empty folder.
    """
    if not output.exists():
        return
    if output.is_dir() and ((output / REPORT).is_file() or not any(output.iterdir())):
        return
    raise UsageError(
        f"write {output}",
        expected=f"a new folder, or one of patches, with a {REPORT}, to replace",
        got="a folder of something else" if output.is_dir() else "a file",
        advice="Name another with -o: what stands there would be lost",
    )


def cut_patches(camvid: Path, output: Path, labels: list[str], rules: Rules) -> dict[str, Any]:
    """Write the patches of both splits and say what they are.

    Args:
        camvid: Holds train/ and val/.
        output: The folder to write; patches that stood there are replaced.
        labels: Of the classes in the label maps, from 0.
        rules: What makes a window a patch.

    Returns:
        What patches.json says.

    Raises:
        UsageError: Something else than patches stands there.
        ArtifactError: Frames can't be read, or fewer than two classes have enough patches.
    """
    check_output(output)
    frames = {split: open_labelled_frames(camvid / split) for split in SPLITS}
    limits = {"train": rules.most, "val": rules.val_most}
    chosen = {
        split: chosen_windows(frames[split], rules, len(labels), most=limits[split])
        for split in SPLITS
    }
    counts = {
        label: {split: len(chosen[split].get(number, ())) for split in SPLITS}
        for number, label in enumerate(labels)
    }
    kept = [label for label in labels if min(counts[label].values()) >= rules.least]
    if len(kept) < 2:
        raise ArtifactError(
            f"cut patches from {camvid}",
            expected=f"two classes with {rules.least} patches in each split",
            got=f"{len(kept)}",
            advice="Give more frames, or a smaller --least",
        )
    report = {
        "labels": kept,
        "patches": {label: counts[label] for label in kept},
        "left_out": {label: counts[label] for label in labels if label not in kept},
        "frames": {split: len(frames[split]) for split in SPLITS},
        "windows": list(WINDOWS),
        "rules": asdict(rules),
    }
    with staged_folder(output) as folder:
        for split in SPLITS:
            by_label = {
                labels[number]: windows
                for number, windows in chosen[split].items()
                if labels[number] in kept
            }
            _write_split(folder / split, frames[split], by_label, rules.size)
        (folder / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return report


def _write_split(
    folder: Path,
    frames: LabelledFrames,
    chosen: dict[str, list[tuple[int, Window]]],
    size: int,
) -> None:
    """Each patch as <label>/<frame>_<window>_<top>_<left>.png."""
    pillow = needs("PIL.Image", "video", "to write patches")
    by_frame: dict[int, list[tuple[str, Window]]] = defaultdict(list)
    for label, windows in chosen.items():
        (folder / label).mkdir(parents=True)
        for frame, window in windows:
            by_frame[frame].append((label, window))
    for frame, (image, _) in enumerate(frames):
        stem = frames.pairs[frame][0].stem
        picture = pillow.fromarray(image)
        for label, window in sorted(by_frame[frame]):
            _, side, top, left = window
            box = (left, top, left + side, top + side)
            patch = picture.resize((size, size), pillow.Resampling.BILINEAR, box=box)
            name = f"{stem}_{side}_{top:03d}_{left:03d}.png"
            patch.save(folder / label / name)


# ---------------------------------------------------------------- the command


def text_from(report: dict[str, Any]) -> str:
    """A table of the classes, and what was left out."""
    lines = [f"{'class':12} {'train':>6} {'val':>6}"]
    for label, counts in report["patches"].items():
        lines.append(f"{label:12} {counts['train']:6} {counts['val']:6}")
    for label, counts in report["left_out"].items():
        lines.append(f"left out: {label}, {counts['train']} in train and {counts['val']} in val")
    return "\n".join(lines)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("camvid", type=Path, metavar="CAMVID", help="holds train/ and val/")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--labels",
        type=Path,
        default=_LABELS,
        metavar="FAMILY",
        help="the family whose labels the label maps have; default: %(default)s",
    )
    parser.add_argument("--most", type=positive_int, default=Rules.most, metavar="N")
    parser.add_argument("--val-most", type=positive_int, default=Rules.val_most, metavar="N")
    parser.add_argument("--least", type=positive_int, default=Rules.least, metavar="N")
    parser.add_argument("--seed", type=seed_number, default=Rules.seed, metavar="N")
    return parser.parse_args(arguments)


def cut(options: argparse.Namespace) -> None:
    """Cut what the command line asks for, and print what came of it."""
    family = load_family(options.labels).family
    rules = Rules(
        most=options.most,
        val_most=options.val_most,
        least=options.least,
        void=len(family.labels) if family.ignore_label is None else family.ignore_label,
        seed=options.seed,
    )
    output = Path(os.path.abspath(options.output))  # "." has no name that a folder is staged by
    print(text_from(cut_patches(options.camvid, output, family.labels, rules)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 or 2 with one line on stderr."""
    options = parsed(arguments)
    return status_of(lambda: cut(options), "cut_patches")


if __name__ == "__main__":
    sys.exit(main())
