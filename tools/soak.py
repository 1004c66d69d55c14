"""Soak the real daemon: streams for minutes, requests beside them, memory over half an hour.

    python tools/soak.py streams --out soak/streams.jsonl
    python tools/soak.py requests --rate 100 --out soak/requests.jsonl
    python tools/soak.py requests --infer-every 0 --out soak/requests_flood.jsonl
    python tools/soak.py memory --out soak/memory.jsonl
    python tools/soak.py plot soak --picture docs/soak.png --figures docs/soak.jsonl

Each but the last starts `edgert serve` in a process of its own on a copy of a family that was
built and profiled on an emulated board (`EDGERT_THREADS=1 edgert profile FAMILY --board BOARD`),
writes what it read as JSON lines, and prints a table. Power and heat are emulated; time and memory
are this machine's.
"""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark import machine

from edgert.backends import open_backend
from edgert.errors import EdgertError

SOAKS = {
    "streams": "four streams through one set of engines, with limits that change",
    "requests": "requests beside a stream: whether frames come later",
    "memory": "whether memory stays flat",
}
_FAMILY = Path("engines") / "segformer-b0-camvid"
_BOARD = "emulated-orin-nano"


def main(words: list[str] | None = None) -> int:
    """Run one soak, or draw what they left; errors go to stderr in a line."""
    parser = argparse.ArgumentParser(description="Soak the real daemon.")
    verbs = parser.add_subparsers(dest="soak", required=True)
    for name, summary in SOAKS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        _add_common(verb)
        import_module(f"soaks.{name}").add_arguments(verb)
    plot = verbs.add_parser("plot", help="one picture of what the soaks left")
    plot.add_argument("folder", type=Path)
    plot.add_argument("--picture", type=Path, required=True)
    plot.add_argument("--figures", type=Path, help="FILE.jsonl for what each of them says")
    plot.add_argument("--warm-s", type=float, default=300.0, help="of memory: left out")
    arguments = parser.parse_args(words)
    try:
        if arguments.soak == "plot":
            import_module("soaks.plot").draw(arguments.folder, arguments.picture)
            if arguments.figures is not None:
                _write_figures(arguments)
            return 0
        return _run(arguments)
    except EdgertError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", type=Path, default=_FAMILY)
    parser.add_argument("--profile", type=Path, help="of the family; without it that of --board")
    parser.add_argument("--board", default=_BOARD)
    parser.add_argument("--nice", type=int, default=0, help="of the daemon")
    parser.add_argument("--out", type=Path, required=True, help="FILE.jsonl for what is read")
    parser.add_argument("--only-sum-up", action="store_true", help="of a file that is there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _run(arguments: argparse.Namespace) -> int:
    module = import_module(f"soaks.{arguments.soak}")
    if not arguments.only_sum_up:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        if arguments.profile is None:
            arguments.profile = _profile_of(arguments.family, arguments.board)
        before = machine()
        module.run(arguments, arguments.out)
        conditions = {"before": before, "after": machine()}
        arguments.out.with_suffix(".machine.json").write_text(
            json.dumps(conditions, indent=1) + "\n", encoding="utf-8"
        )
    found: dict[str, Any] = module.summary(arguments.out, arguments)
    print(json.dumps(found, indent=2) if arguments.json else module.text_from(found))
    return 0


def _write_figures(arguments: argparse.Namespace) -> None:
    """A line for each soak of the folder: what it says, and of which machine."""
    lines = []
    for file in sorted(arguments.folder.glob("*.jsonl")):
        module = import_module(f"soaks.{file.stem.partition('_')[0]}")
        machines = json.loads(file.with_suffix(".machine.json").read_text(encoding="utf-8"))
        found = module.summary(file, arguments)
        lines.append(json.dumps({"soak": file.stem, "machine": machines, **found}) + "\n")
    arguments.figures.write_text("".join(lines), encoding="utf-8")


def _profile_of(family: Path, board: str) -> Path:
    device = open_backend("onnxruntime").device()
    folder = Path("profiles") / "measured" / f"{device}.{Path(board).stem}"
    return folder / f"{family.name}.json"


if __name__ == "__main__":
    sys.exit(main())
