"""The unmodified jetson-stats service and client on the emulated board: what they read."""

import statistics

import pytest

from edgert.emulator import namespace
from tests.board.stand import rest, until

pytestmark = pytest.mark.board

BOARDS = [
    ("orin-nano", "jetpack6"),
    ("orin-nano", "jetpack7"),
    ("orin-nx", "jetpack6"),
    ("agx-orin", "jetpack7"),
    ("agx-thor", "jetpack7"),
]
NAMES = {
    "orin-nano": "Orin Nano",
    "orin-nx": "Orin NX",
    "agx-orin": "AGX Orin",
    "agx-thor": "Thor",
}


def file_number(stand, path):
    return int((stand.tree.folder / path).read_text())


@pytest.mark.parametrize("stand", BOARDS, indirect=True, ids="-".join)
def test_the_service_reads_every_layout(stand):
    layout = stand.tree.layout
    stand.start_service()
    stand.tree.book_run("any", 30.0)
    with stand.client(0.2) as client:
        client.next()
        rest(1.0)
        _, state = client.newest()
    for number, chip in enumerate(layout.chips):
        for channel, spec in enumerate(chip.channels, start=1):
            if spec.label == "NC":
                assert spec.label not in state["rails_mw"]
                continue
            folder = f"sys/{layout.chips[number].folder}"
            seen_mw = file_number(stand, f"{folder}/in{channel}_input") * file_number(
                stand, f"{folder}/curr{channel}_input"
            )
            step_mw = 40e-3 / spec.shunt_ohm * spec.supply_v
            # The board warms up meanwhile, so a step or two may lie between.
            assert state["rails_mw"][spec.label] == pytest.approx(
                seen_mw / 1000, abs=3 * step_mw + 0.005 * seen_mw / 1000
            )
    zones = {zone.type.removesuffix("-thermal"): zone.gated for zone in layout.zones}
    assert {name: temp is None for name, temp in state["zones_c"].items()} == zones
    assert state["power_mode"] == stand.tree.power_mode.name
    assert state["power_modes"] == [mode.name for mode in layout.power_modes]
    assert state["cpu_cap_khz"] == stand.tree.power_mode.cpu_hz // 1000
    if layout.gpu.name:
        assert state["gpu_cap_khz"] == stand.tree.power_mode.gpu_hz // 1000
        assert state["gpu_load_percent"] == 100.0
    if stand.tools.shim is not None:
        assert NAMES[layout.name] in state["hardware"]["Model"]
        assert state["hardware"]["L4T"] == layout.releases[stand_release(stand)].l4t


def stand_release(stand):
    text = (stand.tree.folder / "etc/nv_tegra_release").read_text()
    return "jetpack6" if text.startswith("# R36") else "jetpack7"


@pytest.mark.parametrize("stand", [("agx-orin", "jetpack6")], indirect=True)
def test_its_sum_of_an_agx_orin_counts_the_memory_s_rail_twice(stand):
    """Why the total is ours to make: 1.8 V comes through the 5 V rail, and it adds both."""
    stand.start_service()
    with stand.client(0.2) as client:
        client.next()
        _, state = client.next()
    rails = state["rails_mw"]
    assert state["total_mw"] == sum(rails.values())
    idle_mw = stand.tree.board.spec.power.idle_w * 1000
    twice_mw = rails["VDDQ_VDD2_1V8AO"]
    assert state["total_mw"] - idle_mw == pytest.approx(twice_mw, abs=400)


def test_an_ordinary_user_can_do_the_same(stand):
    if reason := namespace.why_not(as_user=True):
        pytest.skip(f"user namespaces are forbidden here: {reason}")
    stand.start_service(as_user=True)
    with stand.client(0.2, as_user=True) as client:
        _, state = client.next()
    assert state["rails_mw"]["VDD_IN"] == pytest.approx(3500, abs=80)


def test_a_power_step_is_seen_at_ten_hertz_within_a_quarter_second(stand):
    """The project's notes: 68 to 88 ms median at 0.1 s, 105 to 208 ms at worst."""
    stand.start_service()
    delays_s = []
    with stand.client(0.1) as client:
        client.next()
        for step in range(24):
            rest(0.2 + 0.1 * ((step * 7) % 10) / 10)  # anywhere in the service's interval
            client.newest()
            begin_s = stand.clock.now_s()
            stand.tree.book_run("any", 0.6, start_s=begin_s)
            while True:
                seen_s, state = client.next()
                if state["rails_mw"]["VDD_IN"] > 8000:
                    break
            delays_s.append(seen_s - begin_s)
            rest(0.6)
    delays_s.sort()
    median_s = statistics.median(delays_s)
    print(f"\nstep to client: median {median_s * 1e3:.0f} ms, worst {delays_s[-1] * 1e3:.0f} ms")
    assert median_s < 0.25


def test_the_rate_that_was_asked_for_is_the_rate_that_comes(stand):
    stand.start_service()
    with stand.client(0.1) as client:
        client.next()
        rest(3.0)
        uptimes_s = set()
        while not client.lines.empty():
            uptimes_s.add(client.next()[1]["uptime_s"])
    rate_hz = (len(uptimes_s) - 1) / (max(uptimes_s) - min(uptimes_s))
    assert 7.0 < rate_hz < 10.5


def test_it_changes_the_power_mode_when_the_tree_does(stand):
    stand.start_service()
    with stand.client(0.1) as client:
        assert client.next()[1]["power_mode"] == "25W"
        stand.tree.fault("power-mode", mode="MAXN_SUPER")
        until(lambda: client.newest()[1]["power_mode"] == "MAXN_SUPER", what="the new mode")
        until(lambda: client.newest()[1]["gpu_cap_khz"] == 1_020_000, what="the new clock cap")


def test_a_file_that_is_empty_once_ends_its_sampling_and_nobody_is_told(stand):
    """Why a tree's files are replaced by renames, and why the age of a sample is watched."""
    stand.start_service()
    with stand.client(0.1) as client:
        client.next()
        stand.tree.fault("torn", lasting=True)
        rest(0.5)
        stand.tree.recover("torn")
        until(lambda: "timer_reader thread" in stand.log(), what="the end of its timer thread")
        client.newest() if not client.lines.empty() else None
        rest(1.0)
        frozen = {client.next()[1]["uptime_s"] for _ in range(client.lines.qsize())}
        assert len(frozen) <= 1
