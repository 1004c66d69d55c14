"""Measure what the project claims, on the machine at hand.

    python tools/benchmark.py pool engines/NAME/built/DEVICE [--json]

One file for each benchmark, tools/benchmarks/<name>.py, with

    add_arguments(parser)          its arguments
    run(arguments) -> dict         what it measured, ready for JSON
    text_from(result) -> str       the same as a table

and a line in BENCHMARKS. Every result carries the machine it comes from.
"""

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from typing import Any

from edgert.backends.cpu import cpu_identity
from edgert.errors import EdgertError, UsageError

BENCHMARKS = {
    "daemon": "an idle daemon: memory, time to READY, processor time",
    "control": "what a decision takes, per frame, with all limits on",
    "energy": "how far energy per inference is off, how honest its interval is; Zeus beside it",
    "loop": "what the frame loop costs over a bare loop that does the same work",
    "merge": "how much faster merge_linear makes a model, and how equal its outputs stay",
    "pool": "memory of engines that are resident together, and what a switch takes",
    "prune": "edgert beside onnxsim's pruning and plain skipping, same model and frames",
    "sensors": "what reading a board's sensors at a rate takes of a core",
    "shadow": "agreement by shadow runs against the truth, and what they take",
    "streams": "what a turn of the loop of several streams costs, and what an idle one does",
}


def main(words: list[str] | None = None) -> int:
    """Run one benchmark; a table or JSON goes to stdout, errors to stderr."""
    parser = argparse.ArgumentParser(description="Measure what the project claims.")
    verbs = parser.add_subparsers(dest="benchmark", required=True)
    for name, summary in BENCHMARKS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.add_argument("--json", action="store_true", help="print JSON instead of a table")
        import_module(f"benchmarks.{name}").add_arguments(verb)
    arguments = parser.parse_args(words)
    module = import_module(f"benchmarks.{arguments.benchmark}")
    try:
        result = {"machine": machine(), **module.run(arguments)}
    except EdgertError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print(", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine().items()))
        print(module.text_from(result))
    return 0


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code; the load says whether the machine was idle."""
    return {
        "cpu": cpu_identity()["cpu"],
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    sys.exit(main())
