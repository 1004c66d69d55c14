"""A warning for graphs that normalise in half precision."""

from edgert.build.finding import Finding
from edgert.surgery.graph import Graph
from edgert.surgery.precision import half_precision_norms

_TOLD = 3


def half_norm_findings(graph: Graph) -> list[Finding]:
    """One warning that names the first of the nodes that `half_precision_norms` finds."""
    names = half_precision_norms(graph)
    if not names:
        return []
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    first = graph.node(names[0])
    return [
        Finding(
            "operators",
            f"{first.name} ({first.op_type})",
            expected="normalisations, sums and Softmax in float32",
            got=f"half precision in {', '.join(names[:_TOLD])}{more}",
            advice="Their sums may leave float16's range: export in float32 and lower the "
            "precision with the edit lower_precision, or look at the engine's task score",
            warning=True,
        )
    ]
