"""A residency plan in words, for people who have to decide what to allow."""

from edgert.pool.residency import EngineCost, ResidencyPlan
from edgert.units import text_from_bytes


def headline_from_plan(plan: ResidencyPlan) -> str:
    """The plan in one line: "3 of 9 engines resident, 96.3 MiB of 100.0 MiB (as asked for)"."""
    count, every = len(plan.resident), len(plan.names)
    engines = f"{every} engine{'s' * (every > 1)}"
    which = f"{engines} resident" if plan.all_resident else f"{count} of {engines} resident"
    line = f"{which}, {text_from_bytes(plan.needed_bytes)}"
    if plan.budget_bytes is None:
        return f"{line}; how much is left is not known"
    return f"{line} of {text_from_bytes(plan.budget_bytes)} ({plan.budget_from})"


def text_from_plan(plan: ResidencyPlan) -> str:
    """The plan in lines: what is shared, what each engine takes and when it is loaded.

    2 of 3 engines resident, 92.0 MiB of 100.0 MiB (as asked for); all would take 112.0 MiB
      shared        weights 60.0 MiB, scratch 8.0 MiB, inputs and outputs 4.0 MiB
      full          weights 16.0 MiB, persistent 4.0 MiB: resident, active first
      ...
    """
    width = max(12, *(len(name) for name in plan.names))
    title = headline_from_plan(plan)
    if not plan.all_resident:
        title += f"; all would take {text_from_bytes(plan.total_bytes)}"
    rows = [("shared", _shared_text(plan))]
    rows += [(cost.name, _engine_text(plan, cost)) for cost in plan.costs]
    if plan.left_bytes is not None:
        rows.append(("left", text_from_bytes(plan.left_bytes)))
    rows.append(("not counted", "; ".join(plan.uncounted)))
    return "\n".join([title, *(f"  {name:<{width}}  {words}" for name, words in rows)])


def _shared_text(plan: ResidencyPlan) -> str:
    parts = {
        "weights": plan.shared.weights_bytes,
        "scratch": plan.shared.scratch_bytes,
        "inputs and outputs": plan.shared.io_bytes,
        "to load ahead": 0 if plan.all_resident else plan.shared.load_ahead_bytes,
    }
    said = [f"{name} {text_from_bytes(size)}" for name, size in parts.items() if size]
    return ", ".join(said) or "nothing"


def _engine_text(plan: ResidencyPlan, cost: EngineCost) -> str:
    sizes = f"weights {text_from_bytes(cost.weights_bytes)}, " if cost.weights_bytes else ""
    return f"{sizes}persistent {text_from_bytes(cost.persistent_bytes)}: {_when(plan, cost.name)}"


def _when(plan: ResidencyPlan, name: str) -> str:
    if name in plan.never:
        return "never, the budget is too small"
    if name == plan.active:
        return "resident, active first"
    if plan.all_resident:
        return "resident"
    if name == plan.names[-1]:
        return "always resident, the cheapest"
    if name in plan.resident:
        return "resident at first"
    return "loaded when it is asked for, or next to what is"
