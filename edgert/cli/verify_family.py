"""`edgert verify FAMILY`, and what --nvidia prints of a family or a file."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from edgert.cli.output import ProgressBar, print_json, print_table
from edgert.errors import UsageError
from edgert.opening.families import find_family
from edgert.units import text_from_bytes

if TYPE_CHECKING:
    from edgert.build.check_family import ConfigurationCheck
    from edgert.build.nvidia import Compilation, NvidiaCompiler

_NAMED = 3  # layers named in a warning; --json has all


def verify_family(arguments: argparse.Namespace, target_name: str) -> int:
    """Check every configuration, print what was found, and return 1 if one is refused."""
    from edgert.build.check_family import check_family
    from edgert.build.targets import TARGETS

    for flag in ("against", "lossless", "frames", "input_shape"):
        if getattr(arguments, flag):
            raise UsageError(
                f"--{flag.replace('_', '-')}",
                expected="one ONNX file with it",
                got=f"the family {arguments.model}",
                advice="Leave it out: edgert build compares configurations with their base",
            )
    folder = find_family(arguments.model)
    target = TARGETS[target_name]()
    with ExitStack() as stack:
        compiler = open_compiler(stack) if arguments.nvidia else None
        progress = stack.enter_context(ProgressBar(f"verify {folder.family.name}"))
        checks = check_family(folder, target=target, compiler=compiler, progress=progress)
    if arguments.json:
        print_json(
            {
                "family": folder.family.name,
                "target": target.name,
                "tensorrt_rtx": compiler.version if compiler else None,
                "proves": proof(compiler) if compiler else [],
                "configurations": [plain_check(check) for check in checks],
            }
        )
    else:
        print(f"{folder.family.name}: operators, types and shapes held against {target.name}")
        if compiler is not None:
            print("\n".join(proof(compiler)))
        print_checks(checks, target=target.name, nvidia=compiler is not None)
    return 1 if any(check.errors for check in checks) else 0


def open_compiler(stack: ExitStack) -> "NvidiaCompiler":
    """NVIDIA's compiler, closed with the stack."""
    from edgert.build.nvidia import NvidiaCompiler

    return stack.enter_context(NvidiaCompiler())


def proof(compiler: "NvidiaCompiler") -> list[str]:
    """What a compiled graph shows, and what it does not."""
    return [
        f"parsed and compiled by TensorRT-RTX {compiler.version} on the CPU, "
        f"for {compiler.capability}, where it says accepted",
        "this says nothing about TensorRT 10.3 on a Jetson, nor about speed or results",
        "TensorRT-RTX does not know Orin's SM87 and Thor's SM110; SM86 is of Orin's generation",
    ]


def print_checks(checks: Sequence["ConfigurationCheck"], *, target: str, nvidia: bool) -> None:
    """A table, the layers by kind, then warnings and errors, one line each.

    Args:
        checks: What was found.
        target: The column of what a target says; empty: none.
        nvidia: Whether there are columns of what NVIDIA's code says.
    """
    print_table(
        [
            {
                "name": check.name,
                **({target: _verdict(check)} if target else {}),
                **(_compiled(check) if nvidia else {}),
            }
            for check in checks
        ]
    )
    for check in checks:
        if check.compiled is not None and check.compiled.layers:
            print(f"layers of {check.name}: {_layers(check.compiled)}")
    for check in checks:
        for line in _warnings(check):
            print(f"WARNING: {check.name}: {line}")
        for error in check.errors:
            print(f"ERROR: {error}")
    refused = sum(bool(check.errors) for check in checks)
    print(f"{len(checks) - refused} of {len(checks)} accepted")


def plain_check(check: "ConfigurationCheck") -> dict[str, Any]:
    """A configuration as `--json` prints it; stable."""
    return {
        "name": check.name,
        "accepted": not check.errors,
        "underived": check.underived,
        "findings": check.findings,
        "compiled": check.compiled,
    }


def _verdict(check: "ConfigurationCheck") -> str:
    if check.underived is not None:
        return "not derived"
    refused = any(not finding.warning for finding in check.findings)
    return "refused" if refused else "accepted"


def _compiled(check: "ConfigurationCheck") -> dict[str, str]:
    found = check.compiled
    columns = ("TensorRT-RTX", "layers", "types", "sums below fp32", "plan", "parse", "compile")
    if found is None:
        return dict(zip(columns, ("not asked", *"-" * 6), strict=True))
    refused = found.refused
    cells = (
        f"refused ({refused.stage})" if refused else "accepted",
        str(found.layer_count),
        ", ".join(f"{kind} {count}" for kind, count in found.types.items()) or "-",
        str(len(found.low_precision)),
        text_from_bytes(found.plan_bytes) if found.plan_bytes else "-",
        f"{found.parse_s:.2f} s",
        f"{found.compile_s:.2f} s",
    )
    return dict(zip(columns, cells, strict=True))


def _layers(found: "Compilation") -> str:
    """Like: 20 CONVOLUTION (HALF), 3 CAST (FLOAT 2, HALF 1)."""
    if len(found.types) == 1:
        kinds = ", ".join(f"{types[next(iter(types))]} {k}" for k, types in found.layers.items())
        return f"{kinds}; all {next(iter(found.types))}"
    told = []
    for kind, types in found.layers.items():
        each = ", ".join(f"{name} {count}" for name, count in types.items())
        told.append(f"{sum(types.values())} {kind} ({each})")
    return ", ".join(told)


def _warnings(check: "ConfigurationCheck") -> list[str]:
    lines = [str(f.error(check.name)) for f in check.findings if f.warning]
    found = check.compiled
    if found is None:
        return lines
    lines += [f"TensorRT-RTX says: {line}" for line in found.warnings]
    if found.low_precision:
        kinds, names = list(found.low_precision.values()), list(found.low_precision)
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        more = ", ..." if len(names) > _NAMED else ""
        lines.append(
            f"{len(kinds)} layers sum in less than 32 bits ({counts}), where half precision "
            f"overflows without an error: {', '.join(names[:_NAMED])}{more}. Keep them in float32"
        )
    return lines
