"""`edgert keys NEW.pem`: a pair of keys, to sign engines with and to check signatures by."""

import argparse
from pathlib import Path

from edgert.cli.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument(
        "key",
        type=Path,
        metavar="NEW.pem",
        help="the private key to write; the public one becomes NEW.pub.pem beside it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write both, and say what each is for."""
    from edgert.artifacts import make_key_pair

    public = make_key_pair(arguments.key)
    if arguments.json:
        print_json({"private": str(arguments.key), "public": str(public)})
        return 0
    print(f"{arguments.key}: private, for edgert build FAMILY --sign {arguments.key}")
    print(f"{public}: public, for engines.trusted_keys in the settings of a device")
    return 0
