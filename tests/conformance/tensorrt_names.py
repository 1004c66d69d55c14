"""Which names of NVIDIA's module tensorrt a program uses, found in its source.

`vendor.X.Y` is a name of the module, wherever the module is called `vendor`. What is called on an
object is a name of the object's class by what the object is called: `network.num_inputs` and
`parsed.network.num_inputs` are INetworkDefinition's. So that the list can't drift from the code,
nothing is listed here but those words.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

CLASSES = {
    "builder": "Builder",
    "cache": "ITimingCache",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "inspector": "EngineInspector",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "parser_error": "ParserError",
    "runtime": "Runtime",
    "tensor": "ITensor",
}
MODULE = "vendor"


def names_in_folder(folder: Path) -> set[str]:
    """All of a package's modules."""
    return {name for path in folder.glob("*.py") for name in names_in(path.read_text())}


def names_in(source: str) -> set[str]:
    """Like {"Builder", "IBuilderConfig.set_flag", "DeviceType.DLA"}."""
    return set(_names(ast.parse(source), frozenset()))


def _names(node: ast.AST, ours: frozenset[str]) -> Iterator[str]:
    """Walk down; `ours` are parameters that a function states to be something else."""
    if isinstance(node, ast.FunctionDef):
        arguments = (*node.args.args, *node.args.kwonlyargs)
        typed = {a.arg for a in arguments if a.annotation and ast.unparse(a.annotation) != "Any"}
        ours = ours | typed
    if isinstance(node, ast.ClassDef):
        yield from _overridden(node)
    if isinstance(node, ast.Attribute) and (name := _resolved(node, ours)):
        yield name
    for child in ast.iter_child_nodes(node):
        yield from _names(child, ours)


def _resolved(node: ast.Attribute, ours: frozenset[str]) -> str | None:
    chain = ast.unparse(node).split(".")
    if chain[0] == MODULE and all(part.isidentifier() for part in chain):
        return ".".join(chain[1:])
    owner = node.value
    if isinstance(owner, ast.Name) and owner.id not in ours:
        word = owner.id
    elif isinstance(owner, ast.Attribute):
        word = owner.attr
    else:
        return None
    kind = CLASSES.get(word.lstrip("_"))
    return f"{kind}.{node.attr}" if kind else None


def _overridden(node: ast.ClassDef) -> Iterator[str]:
    """What a class derived from one of NVIDIA's defines for NVIDIA to call."""
    # A decorated method is ours.
    for base in node.bases:
        text = ast.unparse(base)
        if text.startswith(f"{MODULE}."):
            for item in node.body:
                plain = isinstance(item, ast.FunctionDef) and not item.decorator_list
                if plain and not item.name.startswith("_"):
                    yield f"{text.removeprefix(f'{MODULE}.')}.{item.name}"


# Run where the module is: reads names, prints those that it lacks.
PROGRAM = """
import json, sys
import {module} as vendor

def has(name):
    found = vendor
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True

print(json.dumps([vendor.__version__, [name for name in json.loads({names!r}) if not has(name)]]))
"""
