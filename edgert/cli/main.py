"""`edgert VERB …`: finds the verb's file, runs it, and turns errors into one line."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import edgert
from edgert.errors import EdgertError, UsageError

# Verb to the line that --help shows; each verb is the module edgert.cli.VERB, imported on use.
VERBS = {
    "build": "derive, compile and verify the engines of a family",
    "search": "find the configurations of a family that are worth having",
    "profile": "measure latency, accuracy and energy of a family's engines",
    "calibrate": "find out how the board heats, from one step test",
    "recalibrate": "measure BatchNorm statistics of cut configurations on pictures",
    "model": "model latency and energy on a Jetson that is not at hand",
    "run": "play a video through the engines, switching between frames",
    "serve": "serve streams as a daemon, with limits and status over HTTP",
    "service": "install the daemon as a systemd service, or remove it",
    "replay": "decide a run once more from its log, by the same controller or another",
    "compare": "put runs side by side: a table, and a page with their curves",
    "inspect": "print cost, residual branches and possible merges of any ONNX file",
    "derive": "apply a list of edits to any ONNX file",
    "verify": "check any ONNX file, stage by stage, alone or against what it was derived from",
    "keys": "make a pair of keys that engines are signed with and checked by",
    "doctor": "say what is installed, built, stale or missing",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns 0, or 1 for an error that the operator can act on, 2 for usage."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    verb = next((word for word in arguments if not word.startswith("-")), None)
    name = f"edgert {verb}" if verb in VERBS else "edgert"
    try:
        status = _run(verb, arguments)
        sys.stdout.flush()
    except UsageError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except EdgertError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `edgert inspect MODEL.onnx | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        told = _disk_error(error)
        if told is None:
            raise
        print(f"{name}: {told}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # also while the verb's modules are loaded
        print(f"{name}: stopped", file=sys.stderr)
        return 130
    return status


def _run(verb: str | None, arguments: Sequence[str]) -> int:
    parser = _parser(verb)
    parsed = parser.parse_args(arguments)
    if parsed.verb is None:
        parser.print_help()
        return 2
    status: int = importlib.import_module(f"edgert.cli.{parsed.verb}").run(parsed)
    return status


def _disk_error(error: OSError) -> EdgertError | None:
    """A disk that is full or closed, in words; None for any other trouble."""
    from edgert.artifacts import disk_error  # needed here only: --help loads no packages

    return disk_error(error)


def _parser(verb: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgert",
        description="One vision model as a family of engines, switched between video frames so "
        "that a deadline, a power budget and a temperature limit hold.",
    )
    parser.add_argument("--version", action="version", version=f"edgert {edgert.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, line in VERBS.items():
        subparser = verbs.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == verb:  # the others' arguments need not be known, nor their modules imported
            importlib.import_module(f"edgert.cli.{name}").add_arguments(subparser)
            subparser.add_argument("--json", action="store_true", help="print JSON on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
