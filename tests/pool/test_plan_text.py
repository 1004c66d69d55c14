"""What people are told before anything is loaded."""

from edgert.pool import headline_from_plan, plan_residency, text_from_plan
from tests.pool.built_sets import engine

MIB = 1 << 20


def test_a_plan_that_holds_everything():
    engines = [engine(name, persistent_bytes=4 * MIB, size_bytes=MIB) for name in ("full", "c1")]
    plan = plan_residency(engines, weights_bytes=60 * MIB, budget_bytes=100 * MIB)
    assert text_from_plan(plan) == (
        "2 engines resident, 68.0 MiB of 100.0 MiB (as asked for)\n"
        "  shared        weights 60.0 MiB\n"
        "  full          persistent 4.0 MiB: resident, active first\n"
        "  c1            persistent 4.0 MiB: resident\n"
        "  left          32.0 MiB\n"
        "  not counted   activations, of which the backend states nothing; inputs and outputs, of "
        "which the backend states nothing; a copy of an engine's file while it is loaded, 1.0 MiB "
        "at most; the runtime itself"
    )


def test_a_plan_that_loads_ahead():
    own = {"full": 16, "c3": 50, "c2": 12, "c1": 8}
    engines = [
        engine(
            name, weights_bytes=size * MIB, persistent_bytes=MIB,
            scratch_bytes=20 * MIB, io_bytes=2 * MIB, size_bytes=size * MIB,
        )
        for name, size in own.items()
    ]  # fmt: skip
    plan = plan_residency(
        engines, weights_bytes=0, budget_bytes=80 * MIB, budget_from="90% of the 88.9 MiB left",
        warms_beside=True,
    )  # fmt: skip
    assert text_from_plan(plan) == (
        "2 of 4 engines resident, 70.0 MiB of 80.0 MiB (90% of the 88.9 MiB left); all would take "
        "112.0 MiB\n"
        "  shared        scratch 20.0 MiB, inputs and outputs 2.0 MiB, to load ahead 22.0 MiB\n"
        "  full          weights 16.0 MiB, persistent 1.0 MiB: resident, active first\n"
        "  c3            weights 50.0 MiB, persistent 1.0 MiB: never, the budget is too small\n"
        "  c2            weights 12.0 MiB, persistent 1.0 MiB: loaded when it is asked for, or "
        "next to what is\n"
        "  c1            weights 8.0 MiB, persistent 1.0 MiB: always resident, the cheapest\n"
        "  left          10.0 MiB\n"
        "  not counted   a copy of an engine's file while it is loaded, 50.0 MiB at most; the "
        "runtime itself"
    )


def test_a_budget_that_nobody_knows_is_said_to_be_unknown():
    plan = plan_residency([engine("full")], weights_bytes=0, budget_bytes=None)
    assert headline_from_plan(plan) == "1 engine resident, 0 B; how much is left is not known"
    assert "left   " not in text_from_plan(plan)
    assert "shared        nothing" in text_from_plan(plan)
    for kind in ("weights", "loaded engines", "activations", "inputs and outputs"):
        assert f"{kind}, of which the backend states nothing" in text_from_plan(plan)


def test_long_names_keep_the_columns():
    names = ["a-configuration-with-a-long-name", "c1"]
    plan = plan_residency([engine(n) for n in names], weights_bytes=0, budget_bytes=9)
    lines = text_from_plan(plan).splitlines()
    assert {line.index("persistent") for line in lines[2:4]} == {2 + len(names[0]) + 2}
