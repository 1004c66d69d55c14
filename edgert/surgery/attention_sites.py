"""What can be done at each attention of a graph: tokens pruned behind it, its keys merged."""

from dataclasses import dataclass

from edgert.surgery.attention import find_attentions
from edgert.surgery.graph import Graph
from edgert.surgery.graph_view import GraphView
from edgert.surgery.key_grid import key_source
from edgert.surgery.prunable import FixedTokens, pruning_plan


@dataclass(frozen=True)
class AttentionSite:
    """An attention, as `prune_tokens` and `merge_keys` see it.

    Attributes:
        name: Unique in the graph; that of the residual branch where it has one to itself.
        heads: Heads.
        queries: Number of queries.
        keys: Number of keys, and of values.
        protected: Tokens that pruning leaves in any case: class tokens, and what is read by its
            place. 0 where tokens can't be pruned.
        blocked: Why tokens can't be pruned behind it, naming the node; empty where they can.
        grid: Rows and columns of the keys, where neighbours can be merged, else None.
        merge_blocked: Why keys can't be merged; empty where they can.
    """

    name: str
    heads: int
    queries: int
    keys: int
    protected: int
    blocked: str
    grid: tuple[int, int] | None
    merge_blocked: str

    @property
    def prunable(self) -> bool:
        """Whether `prune_tokens` takes this site."""
        return not self.blocked

    @property
    def fewest(self) -> int:
        """The least `keep` that `prune_tokens` takes here: one token and the mean besides."""
        return self.protected + 2


def find_attention_sites(graph: Graph) -> list[AttentionSite]:
    """Every attention of the graph, in topological order; sizes are 0 where they don't show."""
    view = GraphView(graph)
    fixed = FixedTokens(view)
    sites = []
    for attention in find_attentions(graph, view):
        plan, source = pruning_plan(view, attention, fixed), key_source(view, attention)
        sites.append(
            AttentionSite(
                name=attention.name,
                heads=attention.heads,
                queries=attention.queries,
                keys=attention.keys,
                protected=0 if isinstance(plan, str) else plan.protected,
                blocked=plan if isinstance(plan, str) else "",
                grid=None if isinstance(source, str) else source.grid,
                merge_blocked=source if isinstance(source, str) else "",
            )
        )
    return sites
