"""Engines resident together in one process, one of them active.

pool        the engines of a built set: activate, run
residency   which of them stay loaded within a budget, and what that costs
budget      what a pool may take on this machine
plan_text   a plan in words
opening     from an engine's file to a session that was run once
edges       what all engines of a pool take and give
residents   what is loaded now, and the way from one set to the next
loader      the thread that loads and closes while frames run
failures    engines that could not be loaded: told, counted, left alone for a while
"""

from edgert.pool.budget import plan_built
from edgert.pool.plan_text import headline_from_plan, text_from_plan
from edgert.pool.pool import Pool
from edgert.pool.residency import ResidencyPlan, plan_residency

__all__ = [
    "Pool",
    "ResidencyPlan",
    "headline_from_plan",
    "plan_built",
    "plan_residency",
    "text_from_plan",
]
