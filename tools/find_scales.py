"""Find scales for int8 on calibration frames, and keep them beside a family's configurations.

    python tools/find_scales.py engines/NAME --calibration FRAMES [--configuration NAME ...]

Writes engines/NAME/quantized/<configuration>.json for each (all of them where none is named), and
prints the configuration to add to family.yaml: its edits, then `quantize` with that file. A board
builds it without frames, and every build of it is the same.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from edgert.artifacts import FamilyFolder, load_family, write_atomically
from edgert.build.derive import derive_configuration
from edgert.build.family_graphs import FamilyGraphs
from edgert.calibration import modelopt
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.precision_edits import FRAMES
from edgert.calibration.scales import find_scales
from edgert.errors import EdgertError, UsageError
from edgert.records import Configuration
from edgert.surgery.quantize import text_from_scales

_FOLDER = "quantized"
_PRECISION_EDITS = frozenset({"lower_precision", "quantize"})


def main(words: list[str] | None = None) -> int:
    """Find scales; entries for family.yaml go to stdout, errors to stderr."""
    parser = argparse.ArgumentParser(description="Find scales for int8 on calibration frames.")
    parser.add_argument("family", type=Path, help="its folder")
    parser.add_argument(
        "--configuration",
        action="append",
        default=[],
        metavar="NAME",
        help="one of its configurations, may be repeated (default: all that are in float32)",
    )
    parser.add_argument("--calibration", type=Path, required=True, help="a folder of frames")
    parser.add_argument("--frames", type=int, default=FRAMES, help="how many (%(default)s)")
    parser.add_argument("--by", choices=("edgert", "modelopt"), default="edgert")
    parser.add_argument("--method", choices=("mse", "max"), default="mse", help="of edgert's")
    parser.add_argument("--keep", nargs="*", default=[], help="operators and nodes to leave alone")
    arguments = parser.parse_args(words)
    try:
        folder = load_family(arguments.family)
        entries = _find(folder, _chosen(folder, arguments.configuration), arguments)
    except EdgertError as error:
        print(f"find_scales: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    print(yaml.safe_dump(entries, sort_keys=False), end="")
    return 0


def _chosen(folder: FamilyFolder, names: Sequence[str]) -> list[Configuration]:
    """The configurations of these names; all that are in float32 where none is named."""
    known = {c.name: c for c in folder.family.configurations}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"find scales for {unknown[0]}",
            expected=f"a configuration among {', '.join(known)}",
            got="no such configuration",
            advice="Correct the name",
        )
    if names:
        return [known[name] for name in names]
    return [c for c in known.values() if not any(_PRECISION_EDITS & set(e) for e in c.edits)]


def _find(
    folder: FamilyFolder, configurations: Sequence[Configuration], arguments: argparse.Namespace
) -> list[dict[str, object]]:
    """Write the files; what is to be added to family.yaml."""
    graphs = FamilyGraphs(folder)
    frames = read_calibration_frames(
        arguments.calibration, folder.family.input, count=arguments.frames
    )
    (folder.path / _FOLDER).mkdir(exist_ok=True)
    entries: list[dict[str, object]] = []
    for configuration in configurations:
        subject = f"derive {configuration.name}"
        graph = derive_configuration(folder, configuration, base=graphs, subject=subject)
        if arguments.by == "modelopt":
            found = modelopt.find_scales(graph, frames, keep=arguments.keep)
        else:
            found = find_scales(graph, frames, method=arguments.method, keep=arguments.keep)
        name = f"{_FOLDER}/{configuration.name}.json"
        write_atomically(folder.path / name, text_from_scales(found).encode())
        edits = [*configuration.edits, {"quantize": {"scales": name}}]
        model = {"model": configuration.model} if configuration.model else {}
        entries.append({"name": f"{configuration.name}-int8", **model, "edits": edits})
    return entries


if __name__ == "__main__":
    raise SystemExit(main())
