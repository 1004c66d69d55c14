"""What the installed onnxruntime says of itself: operators it knows, kernels it has for the CPU.

Its Python package lists both, without a promise to go on doing so: where the lists are missing,
`kernel_table` is None and whoever asks has to find out by loading.
"""

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgert.optional import needs

_CPU = "CPUExecutionProvider"
_OPEN_END = 2**31 - 1  # how a kernel says: until the operator changes


@dataclass(frozen=True)
class Kernel:
    """One implementation: of which versions of an operator, for which types."""

    first: int
    last: int
    types: Mapping[str, frozenset[str]]  # by the schema's parameter: {"T": {"tensor(float)"}}

    def serves(self, since_version: int) -> bool:
        """Whether it runs the version of the operator that came with opset `since_version`.

        A kernel without an end is for the version it names and no later one, known or not.
        """
        if self.last == _OPEN_END:
            return self.first == since_version
        return self.first <= since_version <= self.last


@dataclass(frozen=True)
class KernelTable:
    """Everything that onnxruntime's CPU provider runs.

    All are keyed by domain and operator; the standard's domain is "".
    """

    versions: Mapping[tuple[str, str], tuple[int, ...]]  # opsets that brought or changed it
    # Of each version, the type parameters of its inputs and outputs: (("T", "Tind"), ("T",)).
    signatures: Mapping[tuple[str, str, int], tuple[tuple[str, ...], tuple[str, ...]]]
    kernels: Mapping[tuple[str, str], tuple[Kernel, ...]]

    def since_version(self, domain: str, op_type: str, opset: int) -> int | None:
        """The opset whose definition of the operator holds at `opset`; None: not there yet."""
        return max(
            (v for v in self.versions.get((domain, op_type), ()) if v <= opset), default=None
        )


@functools.cache
def kernel_table() -> KernelTable | None:
    """The table of the installed onnxruntime, None where it doesn't tell."""
    state = needs("onnxruntime.capi.onnxruntime_pybind11_state", "", "to list its kernels")
    list_schemas = getattr(state, "get_all_operator_schema", None)
    list_kernels = getattr(state, "get_all_opkernel_def", None)
    return (
        None
        if list_schemas is None or list_kernels is None
        else _table(list_schemas(), list_kernels())
    )


def _table(schemas: Any, definitions: Any) -> KernelTable:
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    signatures = {}
    for schema in schemas:
        versions[schema.domain, schema.name].append(schema.since_version)
        signatures[schema.domain, schema.name, schema.since_version] = (
            tuple(formal.typeStr for formal in schema.inputs),
            tuple(formal.typeStr for formal in schema.outputs),
        )
    kernels: dict[tuple[str, str], list[Kernel]] = defaultdict(list)
    for definition in definitions:
        if definition.provider == _CPU:
            first, last = definition.version_range
            types = {key: frozenset(names) for key, names in definition.type_constraints.items()}
            kernels[definition.domain, definition.op_name].append(Kernel(first, last, types))
    return KernelTable(
        versions={key: tuple(sorted(found)) for key, found in versions.items()},
        signatures=signatures,
        kernels={key: tuple(found) for key, found in kernels.items()},
    )
