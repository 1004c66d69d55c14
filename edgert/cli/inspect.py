"""`edgert inspect MODEL.onnx`: what a graph costs, and what edits could do to it."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.cli.output import print_json, print_table
from edgert.errors import PreconditionError, UsageError
from edgert.units import text_from_bytes, text_from_count

if TYPE_CHECKING:
    from edgert.surgery.attention_sites import AttentionSite
    from edgert.surgery.channel_groups import ChannelGroup
    from edgert.surgery.merge_linear import MergeFinding
    from edgert.surgery.residuals import ResidualBranch

_TOLD = 3  # of the linear maps that stay


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's flags."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="any ONNX file")
    parser.add_argument(
        "--why", action="store_true", help="say of every linear map why it does not merge"
    )
    add_input_shape_argument(parser)


def add_input_shape_argument(parser: argparse.ArgumentParser) -> None:
    """--input-shape, for graphs with free dimensions."""
    parser.add_argument(
        "--input-shape",
        action="append",
        default=[],
        metavar="NAME=1,3,224,224",
        help="static shape of an input with free dimensions (may be given several times)",
    )


def input_shapes(texts: list[str]) -> dict[str, list[int]]:
    """Parse NAME=1,3,224,224 items.

    Raises:
        UsageError: An item is not of that form.
    """
    shapes = {}
    for text in texts:
        name, _, dims = text.rpartition("=")
        try:
            shape = [int(d) for d in dims.split(",")]
        except ValueError:
            shape = []
        if not name or not shape or min(shape) < 1:
            raise UsageError(
                "--input-shape",
                expected="NAME=1,3,224,224",
                got=f"'{text}'",
                advice="Write the input's name, '=', and its sizes with commas between",
            )
        shapes[name] = shape
    return shapes


def run(arguments: argparse.Namespace) -> int:
    """Print the inspection; the JSON form is stable."""
    from edgert.surgery.attention_sites import find_attention_sites
    from edgert.surgery.channel_groups import find_channel_groups
    from edgert.surgery.cost import cost_of
    from edgert.surgery.load import load_graph
    from edgert.surgery.merge_linear import explain_merges, merge_linear
    from edgert.surgery.residuals import find_residual_branches

    graph = load_graph(arguments.model, input_shapes=input_shapes(arguments.input_shape))
    cost = cost_of(graph)
    branches = find_residual_branches(graph)
    groups = find_channel_groups(graph)
    attentions = find_attention_sites(graph)
    merged_macs = cost.macs
    with contextlib.suppress(PreconditionError):  # nothing to merge
        merged_macs = cost_of(merge_linear(graph)).macs
    if arguments.json:
        print_json(
            {
                "macs": cost.macs,
                "parameters": cost.parameters,
                "merged_macs": merged_macs,
                "residual_branches": [
                    {"name": b.name, "macs": b.macs, "shortcut": b.shortcut} for b in branches
                ],
                "channel_groups": [_group_json(group) for group in groups],
                "attentions": [_attention_json(site) for site in attentions],
                "unknown_operators": cost.unknown_operators,
            }
        )
        return 0
    print(f"{arguments.model}: {len(graph.nodes)} nodes")
    print(f"  multiply-accumulates  {text_from_count(cost.macs, 'MACs')}")
    print(f"  parameters            {text_from_count(cost.parameters)}")
    print(f"  activations           {text_from_bytes(cost.activation_bytes)} written in all")
    if cost.unknown_operators:
        print(f"  NOT counted           {', '.join(cost.unknown_operators)}")
    told = None if arguments.why else _TOLD
    _print_merges(explain_merges(graph), cost.macs, merged_macs, told=told)
    _print_branches(branches, cost.macs)
    _print_groups(groups)
    _print_attentions(attentions)
    return 0


def _group_json(group: "ChannelGroup") -> dict[str, object]:
    return {
        "name": group.name,
        "channels": group.channels,
        "unit": group.unit,
        "blocked": group.blocked,
        "normalised_by": list(group.normalised_by),
    }


def _attention_json(site: "AttentionSite") -> dict[str, object]:
    return {
        "name": site.name,
        "heads": site.heads,
        "queries": site.queries,
        "keys": site.keys,
        "prune_tokens": site.blocked or "yes",
        "merge_keys": site.merge_blocked or "yes",
    }


def _print_branches(branches: "list[ResidualBranch]", macs: int) -> None:
    print(f"{len(branches)} residual branches (skip_residuals, replace_residuals)")
    print_table(
        [
            {
                "name": f"  {branch.name}",
                "MACs": text_from_count(branch.macs),
                "share": f"{branch.macs / max(macs, 1):.1%}",
                "shortcut": branch.shortcut,
            }
            for branch in branches
        ]
    )


def _print_groups(groups: "list[ChannelGroup]") -> None:
    free = [group for group in groups if not group.blocked]
    print(f"{len(free)} channel groups (narrow_channels)")
    print_table(
        [
            {
                "name": f"  {group.name}",
                "units": f"{group.units}",
                "channels each": f"{group.unit}",
                "normalised": "yes" if group.normalised_by else "",
            }
            for group in free
        ]
    )
    for group in groups:
        if group.blocked:
            print(f"  {group.name} can't be cut: {group.blocked}")


def _print_attentions(sites: "list[AttentionSite]") -> None:
    if not sites:
        return
    print(f"{len(sites)} attentions (prune_tokens, merge_keys)")
    print_table(
        [
            {
                "name": f"  {site.name}",
                "heads": f"{site.heads}",
                "queries": f"{site.queries}",
                "keys": f"{site.keys}",
                "tokens can be pruned": "yes" if site.prunable else "no",
                "keys can be merged": "no" if site.merge_blocked else "yes",
            }
            for site in sites
        ]
    )


def _print_merges(
    findings: "list[MergeFinding]", macs: int, merged_macs: int, *, told: int | None
) -> None:
    """What merges, and of the heaviest `told` maps that stay as they are, why; None: of all."""
    if merged_macs < macs:
        saved = 1 - merged_macs / macs
        print(
            f"merge_linear: {text_from_count(merged_macs, 'MACs')} after it, {saved:.1%} less "
            "than exported, same outputs"
        )
    else:
        print("merge_linear: nothing to merge")
    staying = sorted((f for f in findings if not f.merged), key=lambda f: -f.macs_before)
    for finding in [f for f in findings if f.merged]:
        print(f"  {finding.outer}: {finding.reason}")
    for finding in staying[:told]:
        print(f"  {finding.outer} stays: {finding.reason}")
    if told is not None and len(staying) > told:
        print(f"  and {len(staying) - told} more stay: edgert inspect --why")
