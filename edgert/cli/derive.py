"""`edgert derive MODEL.onnx --edits FILE -o OUT.onnx`: edits on any ONNX file."""

import argparse
from pathlib import Path

from edgert.cli.inspect import add_input_shape_argument, input_shapes
from edgert.cli.output import print_json
from edgert.errors import BuildError
from edgert.records import Edit
from edgert.units import text_from_count

_LARGEST_INLINE_BYTES = 1 << 30  # an .onnx file may not reach 2 GiB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="any ONNX file")
    parser.add_argument(
        "--edits",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML list of edits, written as in family.yaml; paths in it are relative to it",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="where it goes"
    )
    add_input_shape_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Derive, write whole or not at all, and print the cost before and after."""
    from edgert.artifacts import staged_files
    from edgert.build.derive import derive
    from edgert.schema import record_from_yaml
    from edgert.surgery.cost import cost_of
    from edgert.surgery.graph import save_graph
    from edgert.surgery.load import load_graph

    edits = record_from_yaml(arguments.edits, list[Edit], BuildError)
    for index, edit in enumerate(edits):
        if len(edit) != 1:
            raise BuildError(
                f"read {arguments.edits} at [{index}]",
                expected="one edit, written 'name: {parameters}'",
                got=f"{len(edit)} names: {', '.join(edit) or 'none'}",
                advice="Write one list item for each edit",
            )
    graph = load_graph(arguments.model, input_shapes=input_shapes(arguments.input_shape))
    before = cost_of(graph)
    folder = arguments.edits.parent  # what paths in the edits are relative to
    derived = derive(graph, edits, subject=f"derive {arguments.model.name}", folder=folder)
    after = cost_of(derived)
    # One file as long as the format allows it (2 GiB); else the weights lie beside it.
    large = 4 * after.parameters > _LARGEST_INLINE_BYTES
    weights = f"{arguments.output.stem}.weights" if large else None
    with staged_files(arguments.output.parent) as staging:
        save_graph(derived, staging / arguments.output.name, weights=weights)
    if arguments.json:
        print_json({"output": str(arguments.output), "macs_before": before.macs,
                    "macs": after.macs, "parameters": after.parameters,
                    "unknown_operators": after.unknown_operators})  # fmt: skip
    else:
        share = after.macs / max(before.macs, 1)
        print(
            f"{arguments.output}: {text_from_count(after.macs, 'MACs')}, {share:.1%} of "
            f"{text_from_count(before.macs, 'MACs')} in {arguments.model.name} as it came"
        )
    return 0
