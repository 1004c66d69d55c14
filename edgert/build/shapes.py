"""Static shapes and types for every value, and none that contradicts what the graph declares.

What a file declares of its inner values and outputs is set aside, everything is inferred anew from
the inputs in ONNX's strict mode, and the two are compared.
"""

import re
from typing import Any

from edgert.build.finding import Finding
from edgert.build.program import Program, label
from edgert.build.widths import check_widths
from edgert.errors import SurgeryError
from edgert.optional import needs
from edgert.surgery.load import load_graph
from edgert.surgery.operators import STANDARD

# "(op_type:Neg, node name: head/Neg): [TypeInferenceError] Input 0 expected to have type"
_AT_NODE = re.compile(r"\(op_type:(?P<op>[^,)]*)(?:, node name: (?P<name>[^)]*))?\): (?P<what>.*)")
_Declared = tuple[int, tuple[int | str, ...] | None]  # element type, sizes; None: nothing said


def check_shapes(program: Program) -> list[Finding]:
    """Infer all shapes and types, and compare them with what is declared.

    Values behind an operator that is not of the standard are taken as they are declared.
    """
    infer = needs("onnx.shape_inference", "build", "to infer shapes")
    onnx = needs("onnx", "build", "to infer shapes")
    bare = onnx.ModelProto()
    bare.CopyFrom(program.outline)
    unknown, foreign = _foreign_values(program)
    declared = {v.name: _declared(v) for v in (*bare.graph.value_info, *bare.graph.output)}
    kept = [value for value in bare.graph.value_info if value.name in unknown]
    del bare.graph.value_info[:]
    bare.graph.value_info.extend(kept)
    for value in bare.graph.output:
        if value.name not in unknown:
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = infer.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True)
    except infer.InferenceError as error:
        return [_from_inference(program, str(error))]
    graph = inferred.graph
    found: dict[str, _Declared] = {t.name: (t.data_type, tuple(t.dims)) for t in graph.initializer}
    found |= {v.name: _declared(v) for v in (*graph.input, *graph.value_info, *graph.output)}
    static = {name: _static_shape(known) for name, known in found.items()}
    return (
        _undetermined(program, found, foreign)
        + _contradictions(program, declared, found)
        + check_widths(program, static)
    )


def _undetermined(
    program: Program, found: dict[str, _Declared], foreign: set[str]
) -> list[Finding]:
    findings = [
        Finding(
            "shapes",
            "",
            expected=f"static sizes of input {value.name}",
            got=_text(found.get(value.name)),
            advice="Give them: --input-shape, or export with a fixed size",
        )
        for value in program.model.graph.input
        if _static_shape(found.get(value.name)) is None
    ]
    if findings:
        return findings
    for node in program.nodes:
        for name in filter(None, node.output):
            if _static_shape(found.get(name)) is None and name not in foreign:
                return _not_settled_by_folding(program)
    return []


def _not_settled_by_folding(program: Program) -> list[Finding]:
    """Exporters compute sizes with nodes; loading folds these, and says what it can't fold."""
    try:
        load_graph(program.folder / program.name)
    except SurgeryError as error:
        _, _, node = error.subject.partition(", node ")
        return [
            Finding("shapes", node, expected=error.expected, got=error.got, advice=error.advice)
        ]
    return []


def _contradictions(
    program: Program, declared: dict[str, _Declared], found: dict[str, _Declared]
) -> list[Finding]:
    findings = []
    for name, said in declared.items():
        is_so = found.get(name)
        if is_so is None or _fits(said, is_so):
            continue
        findings.append(
            Finding(
                "shapes",
                program.producer(name),
                expected=f"{name} as it is declared, {_text(said)}",
                got=_text(is_so),
                advice="An edit left a stale shape, or changed one that it may not change",
            )
        )
    return sorted(findings, key=lambda finding: _position(program, finding.node))


def _position(program: Program, node: str) -> int:
    names = [label(each) for each in program.nodes]
    return names.index(node) if node in names else len(names)


def _from_inference(program: Program, text: str) -> Finding:
    """ONNX's complaint as a finding about its node."""
    found = _AT_NODE.search(text)
    what, node = text.strip().splitlines()[0], ""
    if found is not None:
        what = found["what"]
        named = found["name"]
        node = next(
            (label(each) for each in program.nodes if each.name == named), found["op"] or ""
        )
    return Finding(
        "shapes",
        node,
        expected="inputs whose types and shapes fit the operator",
        got=re.sub(r"^\[\w+\] ?", "", what).strip().rstrip("."),
        advice="Look at what the node reads: its type, shape or a constant is wrong",
    )


def _declared(value: Any) -> _Declared:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return kind.elem_type, None
    sizes = tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in kind.shape.dim
    )
    return kind.elem_type, sizes


def _static_shape(known: _Declared | None) -> tuple[int, ...] | None:
    if known is None or known[1] is None:
        return None
    sizes = tuple(size for size in known[1] if isinstance(size, int))
    return sizes if len(sizes) == len(known[1]) else None


def _fits(said: _Declared, is_so: _Declared) -> bool:
    """Whether what is declared leaves room for what is so; free sizes leave it."""
    if said[0] and is_so[0] and said[0] != is_so[0]:
        return False
    if said[1] is None or is_so[1] is None:
        return True
    return len(said[1]) == len(is_so[1]) and all(
        one == other
        for one, other in zip(said[1], is_so[1], strict=True)
        if isinstance(one, int) and isinstance(other, int)
    )


def _text(known: _Declared | None) -> str:
    onnx = needs("onnx", "build", "to infer shapes")
    if known is None:
        return "nothing known"
    kind = onnx.TensorProto.DataType.Name(known[0]).lower() if known[0] else "unknown type"
    if known[1] is None:
        return f"{kind} of unknown shape"
    return f"{kind} ({', '.join(str(size) if size != '' else '?' for size in known[1])})"


def _foreign_values(program: Program) -> tuple[set[str], set[str]]:
    """Values of operators that ONNX does not know, and these with all that depends on them."""
    unknown: set[str] = set()
    foreign: set[str] = set()
    for node in program.nodes:
        if node.domain not in STANDARD:
            unknown.update(node.output)
        if node.domain not in STANDARD or any(name in foreign for name in node.input):
            foreign.update(node.output)
    return unknown, foreign
