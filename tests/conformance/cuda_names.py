"""Which names of CUDA our own source uses, read from it, so that no list can fall behind.

Kept apart from the tests: the programs that run in a vendor's process use it too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "edgert" / "backends" / "cuda_memory"


def cuda_python_names() -> set[str]:
    """Dotted, below `cuda.bindings.driver`: "cuMemAlloc", "CUstream_flags.CU_STREAM_…"."""
    return names_below("driver", sorted(PACKAGE.glob("cuda_python*.py")))


def pycuda_names() -> set[str]:
    """Dotted, below `pycuda.driver`: "mem_alloc", "host_alloc_flags.DEVICEMAP"."""
    return names_below("driver", sorted(PACKAGE.glob("pycuda*.py")))


def names_below(root: str, files: list[Path]) -> set[str]:
    """What is taken from a variable `root`, or from an attribute `root` or `_root` of anything.

    A name that is taken into a variable first is followed one step: `attribute =
    driver.CUdevice_attribute`, then `attribute.CU_…`. The longest form of each counts.
    """
    found: set[str] = set()
    for file in files:
        for scope in _scopes(ast.parse(file.read_text(encoding="utf-8"))):
            aliases = dict(_aliases(scope, root))
            for node in ast.walk(scope):
                path = _path(node, root, aliases)
                if path:
                    found.add(".".join(path))
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _aliases(scope: ast.AST, root: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Variables that stand for something of the module."""
    for node in ast.walk(scope):
        if not isinstance(node, ast.Assign):
            continue
        target, values = node.targets[0], [node.value]
        targets = [target]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            targets, values = target.elts, node.value.elts
        for name, value in zip(targets, values, strict=True):
            path = _path(value, root, {})
            if isinstance(name, ast.Name) and path:
                yield name.id, path


def _path(node: ast.AST, root: str, aliases: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The names behind `root` in `a.root.b.c`; None where this is no such thing."""
    if not isinstance(node, ast.Attribute):
        return None
    base = node.value
    if isinstance(base, ast.Name) and base.id in aliases:
        return (*aliases[base.id], node.attr)
    if (isinstance(base, ast.Name) and base.id == root) or (
        isinstance(base, ast.Attribute) and base.attr in (root, f"_{root}")
    ):
        return (node.attr,)
    before = _path(base, root, aliases)
    return (*before, node.attr) if before else None
