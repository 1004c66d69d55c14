"""The layouts that are shipped, and what a damaged one says."""

import msgspec
import pytest

from edgert.emulator.layout import LAYOUTS, NOT_CONNECTED, Layout, layout_names, load_layout
from edgert.emulator.spec import read_board_spec
from edgert.errors import SettingsError
from tests.emulator.trees import BOARDS


def test_there_are_layouts_of_the_boards():
    assert layout_names() == ["agx-orin", "agx-thor", "orin-nano", "orin-nx"]


@pytest.mark.parametrize("name", layout_names())
def test_a_layout_s_rails_draw_no_more_than_the_board_and_its_totals_all_of_it(name):
    layout = load_layout(name)
    spec = read_board_spec(BOARDS / f"{layout.physics}.yaml")
    channels = [c for chip in layout.chips for c in chip.channels if c.label != NOT_CONNECTED]
    for cause in ("idle_ratio", "compute_ratio", "memory_ratio"):
        whole = [c for c in channels if getattr(c, cause) == 1.0 and c.idle_ratio == 1.0]
        if not whole:  # without an input rail those that lie side by side make the total
            side_by_side = [c for c in channels if not c.within]
            assert sum(getattr(c, cause) for c in side_by_side) == pytest.approx(1.0)
        assert all(getattr(c, cause) <= 1.0 for c in channels)
    for channel in channels:
        if channel.within:
            outer = next(c for c in channels if c.label == channel.within)
            assert channel.rail(spec.power).idle_w < outer.rail(spec.power).idle_w


@pytest.mark.parametrize("name", layout_names())
def test_every_zone_and_mode_of_a_layout_is_told_apart(name):
    layout = load_layout(name)
    assert len({zone.type for zone in layout.zones}) == len(layout.zones)
    assert len({mode.id for mode in layout.power_modes}) == len(layout.power_modes)
    assert max(mode.gpu_hz for mode in layout.power_modes) <= layout.gpu.frequencies_hz[-1]


def test_a_mode_goes_by_number_and_name():
    layout = load_layout("orin-nano")
    assert layout.mode(1) == layout.mode("25W")
    with pytest.raises(SettingsError, match=r"expected 15W or 25W or MAXN_SUPER, got '60W'"):
        layout.mode("60W")


def test_a_release_that_a_board_does_not_have_is_refused():
    with pytest.raises(SettingsError, match="expected jetpack7, got 'jetpack6'"):
        load_layout("agx-thor").release("jetpack6")


def test_an_unknown_layout_names_those_that_there_are():
    with pytest.raises(SettingsError, match="agx-orin or agx-thor or orin-nano or orin-nx"):
        load_layout("orin")


def test_a_damaged_layout_names_file_and_place(tmp_path):
    text = (LAYOUTS / "orin-nano.yaml").read_text()
    (tmp_path / "odd.yaml").write_text(text.replace("default_mode: 1", "default_mode: 9"))
    with pytest.raises(SettingsError, match="default_mode 9"):
        load_layout("odd", folder=tmp_path)
    (tmp_path / "odd.yaml").write_text(text + "surprise: 1\n")
    with pytest.raises(SettingsError, match="unknown field 'surprise'"):
        load_layout("odd", folder=tmp_path)


def test_a_layout_goes_through_its_own_format():
    layout = load_layout("orin-nx")
    assert msgspec.convert(msgspec.to_builtins(layout), Layout) == layout
