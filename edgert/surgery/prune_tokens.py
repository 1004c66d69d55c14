"""Prune tokens behind attention: the best ones go on, and one mean of all others."""

from collections.abc import Sequence

import msgspec

from edgert.errors import PreconditionError
from edgert.surgery.asked_names import ATTENTIONS, check_names
from edgert.surgery.attention import find_attentions
from edgert.surgery.graph import Graph, finished
from edgert.surgery.graph_view import GraphView
from edgert.surgery.prunable import FixedTokens, PruningPlan, pruning_plan
from edgert.surgery.pruned_nodes import PrunedNodes, Score
from edgert.surgery.token_axis import shrink

_SUBJECT = "prune_tokens"


class PruningSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where tokens are pruned, and how many are left.

    Attributes:
        attention: A name that `find_attention_sites` gives.
        keep: Tokens behind it: those that always stay (class tokens), the best of the others, and
            the one mean. It ranges from two more than always stay to all there are.
    """

    attention: str
    keep: int


def prune_tokens(
    graph: Graph, *, sites: Sequence[PruningSite], score: Score = "attention_and_value"
) -> Graph:
    """Let fewer tokens through behind attentions: the best by a score, and the mean of the rest.

    At each site, between the attention's residual sum and what follows, the tokens are sorted by
    score; the best keep - (always stay) - 1 of them go on, best first, and behind them the mean
    of all the others as one token. What is later added or compared token by token (positions,
    masks) is reduced alike. The graph stays static: which tokens stay is computed, how many is
    fixed.

    Args:
        graph: Any graph. It stays unchanged.
        sites: Where and how many, each attention once, in any order. A later site sees what an
            earlier one has left. Keeping all tokens leaves a site as it is.
        score: What tokens are sorted by; equals go to the earlier token.
            "attention_and_value": how much a token is attended to by the tokens that may go, in
            the head that attends most, relative to the highest such sum; plus the share, by
            softmax over all tokens, of its value vector's sum (highest head at each place).
            "attention": the first of these alone.
            "class_attention": how much the first token attends to it, in the mean over heads.

    Returns:
        A new graph; inputs, outputs and the attentions at the sites are the same.

    Raises:
        PreconditionError: No site is given, one is given twice, is not in the graph or can't be
            pruned (the node and the reason are named), or `keep` is out of range.

    Source:
        Eliopoulos et al., Pruning One More Token is Enough, WACV 2025, arXiv 2407.05941 (metric,
        mean token, place). Differs: any number of sites, tokens found on the graph, any number of
        tokens that always stay; `keep` counts them in, as N - R does there.
        "class_attention": Liang et al., EViT, ICLR 2022, arXiv 2202.07800. Differs: the mean of
        the tokens that go is not weighted.
    """
    keeps = {site.attention: site.keep for site in sites}
    known = find_attentions(graph, GraphView(graph))
    check_names(_SUBJECT, [site.attention for site in sites], [a.name for a in known], ATTENTIONS)
    pruned = graph.copy()
    for attention in known:
        if attention.name in keeps:
            _prune(pruned, attention.name, keeps[attention.name], score)
    return finished(pruned, subject=_SUBJECT)


def _prune(graph: Graph, name: str, keep: int, score: Score) -> None:
    """Prune at one site, in place."""
    view = GraphView(graph)
    attention = next(a for a in find_attentions(graph, view) if a.name == name)
    plan = pruning_plan(view, attention, FixedTokens(view))
    if isinstance(plan, str):
        raise PreconditionError(
            f"{_SUBJECT} {name}",
            expected="tokens that nothing behind this attention needs at their place",
            got=plan,
            advice="Choose another attention",
        )
    _check(plan, keep, score)
    if keep == plan.count:
        return
    before = next(iter(plan.trace.steps))
    nodes = PrunedNodes(graph, plan, keep)
    nodes.choose(score, before)
    reduced = nodes.reduced(plan.stream, plan.axis, plan.tokens, before)
    shrink(graph, plan.trace, reduced=reduced, removed=plan.count - keep, reduce=nodes.reduced)


def _check(plan: PruningPlan, keep: int, score: Score) -> None:
    fewest, subject = plan.protected + 2, f"{_SUBJECT} {plan.attention.name}"
    if not fewest <= keep <= plan.count:
        raise PreconditionError(
            subject,
            expected=f"{fewest} to {plan.count} tokens kept",
            got=str(keep),
            advice=f"Set keep between {fewest} and {plan.count}, "
            f"{plan.protected} that always stay and one mean among them",
        )
    if score == "class_attention" and not plan.tokens.head:
        raise PreconditionError(
            subject,
            expected="a class token in front, for the score class_attention",
            got="tokens that are all alike",
            advice="Set score to attention_and_value",
        )
