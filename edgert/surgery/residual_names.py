"""Names for residual branches: made of the layers' module paths, and lasting.

A name is made from its own branch alone, never from a running number or from what else there is.
So it stays when other branches are dropped, and in files saved and loaded again.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Modules that exports wrap a model in. With or without them, names come out the same.
_WRAPPERS = frozenset({"m", "model", "module", "net", "network", "wrapped", "wrapper"})
# YAML reads these, unquoted, as something else than text.
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True)
class Region:
    """What a branch is named after.

    Attributes:
        add: Name of the sum's node.
        layers: Names of the nodes that multiply, in topological order, as "scope/MatMul".
    """

    add: str
    layers: tuple[str, ...]


def branch_names(regions: Sequence[Region]) -> list[str]:
    """A unique name for each branch: letters, digits, dots, dashes and underscores.

    The longest module path that a branch's layers share: "segformer.stages.2.blocks.1.attention".
    Where that is a whole block, which may hold several branches ("encoder.layer.3"), or empty, the
    next part of the last layer's path joins it ("encoder.layer.3.output"). A graph without module
    paths gives the name of the last layer's node ("Conv_7"), and a branch whose layers all belong
    to branches inside it the name of its sum.
    """
    names = [_name(region, _may_hold_several) for region in regions]
    for longer in (_with_next_part, _with_last_layer, _with_sum):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 else longer(region)
            for name, region in zip(names, regions, strict=True)
        ]
    return names


def _name(region: Region, is_block: Callable[[list[str], str], bool]) -> str:
    if not region.layers:
        return _written(".".join(_parts(region.add)))
    *scope, operator = _parts(region.layers[-1])
    paths = _in_block([_parts(name)[:-1] for name in region.layers], region.add)
    shared = _shared(paths)
    use = _use_of(operator) or _use_of_modules(paths, shared)
    if is_block(shared, region.add):
        shared += [*scope, operator][len(shared) :][:1]
    if use and shared[-1] != operator:
        shared[-1] = shared[-1].removesuffix(f"_{use}")
        shared.append(use)
    return _written(".".join(shared))


def _in_block(paths: list[list[str]], add: str) -> list[list[str]]:
    """The paths within the block ("decoder.layers.1") that holds the sum and the last layer.

    What else lies between, such as positions refined from layer to layer, names nothing.
    """
    block = _shared([_parts(add)[:-1], paths[-1]])
    while block and not block[-1].isdigit():
        block.pop()
    return [path for path in paths if path[: len(block)] == block]


def _use_of(name: str) -> str:
    """Which use of a module this is, from the number that exporters add: "MatMul_2" is use 2."""
    found = re.search(r"_(\d+)$", name)
    return found[1] if found else ""


def _use_of_modules(paths: list[list[str]], shared: list[str]) -> str:
    """The number that all modules of a branch carry where weights are used again and again.

    One exporter numbers the modules ("query_1", "dense_1"), the other one their nodes. A single
    module's number says nothing: it may be its name.
    """
    uses = {_use_of(path[-1]) for path in paths if len(path) > len(shared)}
    return uses.pop() if len(uses) == 1 and len(paths) > 1 else ""


def _may_hold_several(path: list[str], add: str) -> bool:
    """Whether a path is that of a block whose sum is not, or may be not, the only one in it."""
    *scope, operator = _parts(add)
    if scope == path:
        return not path or bool(_use_of(operator)) or operator.startswith("Sum")
    return not path or (path[-1].isdigit() and scope[: len(path)] == path)


def _shared(paths: Sequence[list[str]]) -> list[str]:
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def _parts(node_name: str) -> list[str]:
    """The components of "/enc/block.0/fc/MatMul": enc, block, 0, fc, MatMul; wrappers dropped."""
    *modules, operator = node_name.split("/")
    # One exporter writes a module inside two sequences as "blocks/blocks.1/blocks.1.0".
    last_of = (
        module
        for module, inner in zip(modules, [*modules[1:], ""], strict=False)
        if not inner.startswith(f"{module}.")
    )
    parts = [part for module in last_of for part in module.split(".") if part]
    while parts and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return [*parts, operator]


def _with_next_part(region: Region) -> str:
    return _name(region, lambda *_: True)


def _with_last_layer(region: Region) -> str:
    return _written(".".join(_parts((region.layers or (region.add,))[-1])))


def _with_sum(region: Region) -> str:
    return f"{_with_last_layer(region)}.{_written('.'.join(_parts(region.add)))}"


def _written(name: str) -> str:
    """The name in characters that a command line and YAML take without quotes."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if not name[:1].isalpha() or name.lower() in _YAML_WORDS:
        name = f"branch.{name}"
    return name
