"""Modelled power and profiles: marked as such, and left out where nobody published any."""

import pytest

from edgert.boards import load_board
from edgert.errors import SettingsError
from edgert.profiling.claims import load_claims
from edgert.profiling.roofline.architectures import segformer, vit
from edgert.profiling.roofline.model import Roofline, fit_roofline
from edgert.profiling.roofline.power import busy_power
from edgert.profiling.roofline.profile import NO_POWER, modelled_profile
from edgert.profiling.roofline.published import load_published
from edgert.profiling.savings import check_claims, saving_of
from edgert.records import Accuracy, BaseModel, Configuration, Family, InputSpec, Profile

NANO = load_board("jetson-orin-nano-8gb")
WORKS = {"full": segformer(512, 512, 150), "small": segformer(256, 256, 150)}
CARD = Accuracy(metric="miou", value=0.4, frames=2000, dataset="ADE20K val")
FAMILY = Family(
    format=1,
    name="segformer-b2-ade",
    task="segmentation",
    base=BaseModel(graph="base.onnx", sha256="0" * 64),
    input=InputSpec(name="x", shape=(1, 3, 512, 512)),
    labels=["thing"],
    configurations=[
        Configuration(name="full", accuracy=CARD),
        Configuration(name="small", accuracy=CARD),
    ],
)


@pytest.fixture(scope="module")
def roofline() -> Roofline:
    return fit_roofline(load_published())


def model(roofline: Roofline, mode: str, **options) -> Profile:
    return modelled_profile(FAMILY, WORKS, roofline, NANO, mode, **options)


# ---------------------------------------------------------------- power


def test_power_is_the_mean_of_the_board_s_published_rows(roofline: Roofline):
    power = busy_power(roofline, "jetson-orin-nano-8gb", "25W")
    assert power is not None
    assert power.power_w == pytest.approx((13.80 + 14.14 + 12.49) / 3)
    assert [row.graph_left_out_w for row in power.rows] == pytest.approx([13.315, 13.8, 13.8])
    assert [row.power_error for row in power.rows] == pytest.approx(
        [13.315 / 13.80 - 1, 13.8 / 14.14 - 1, 13.8 / 12.49 - 1]
    )
    assert "mean of 3 published rows of this board (25W and MAXN_SUPER)" in power.method
    assert "leave-one-out error worst 10%" in power.method


def test_an_energy_is_off_by_power_and_latency(roofline: Roofline):
    power = busy_power(roofline, "jetson-orin-nano-8gb", "MAXN_SUPER")
    assert power is not None
    for row in power.rows:
        modelled_j = row.graph_left_out_w * row.error.graph_left_out_s
        published_j = row.published_w * row.error.case.row.published_s
        assert row.energy_error == pytest.approx(modelled_j / published_j - 1)


@pytest.mark.parametrize(
    ("board", "mode"),
    [
        ("jetson-orin-nano-8gb", "15W"),
        ("jetson-orin-nano-8gb", "7W"),
        ("jetson-orin-nx-16gb", "MAXN"),
        ("jetson-agx-orin-64gb", "MAXN"),
    ],
)
def test_where_nobody_published_power_there_is_none(roofline: Roofline, board: str, mode: str):
    assert busy_power(roofline, board, mode) is None


def test_rows_of_one_graph_alone_state_no_error_and_no_power(roofline: Roofline):
    rows = tuple(e for e in roofline.errors if e.case.row.graph != "yolo-v8n-640")
    one = Roofline(roofline.parameters, rows, ())
    assert busy_power(one, "jetson-orin-nano-8gb", "25W") is None


# ---------------------------------------------------------------- profile


def test_every_figure_is_marked(roofline: Roofline):
    profile = model(roofline, "25W", baselines_macs={"exported": 10})
    assert [entry.name for entry in profile.entries] == ["full", "small"]
    for entry in profile.entries:
        assert entry.latency_from == entry.energy_from == "modelled"
        assert entry.latency is None
        assert entry.energy is None
        assert entry.power_w is not None
        assert entry.energy_j == pytest.approx(entry.power_w * entry.latency_s)
        assert entry.accuracy_from.endswith("measured elsewhere")
    assert profile.method.startswith("modelled (roofline, fitted on 15 published rows")
    assert "energy worst" in profile.method
    assert profile.board == "jetson-orin-nano-8gb in 25W"
    assert profile.backend == "none: roofline at fp16"
    assert profile.baselines_macs == {"exported": 10}


def test_power_that_cannot_be_modelled_is_left_out_and_said(roofline: Roofline):
    profile = model(roofline, "15W")
    assert profile.method.endswith(NO_POWER)
    for entry in profile.entries:
        assert (entry.power_w, entry.energy_j, entry.energy_from) == (None, None, None)


def test_a_faster_mode_less_work_and_fewer_bits_take_less_time(roofline: Roofline):
    full, small = (entry.latency_s for entry in model(roofline, "25W").entries)
    assert small < full
    assert model(roofline, "15W").entries[0].latency_s > full
    assert model(roofline, "25W", precision="int8").entries[0].latency_s < full


def test_a_configuration_without_a_card_has_no_accuracy(roofline: Roofline):
    profile = modelled_profile(FAMILY, {"new": vit(224, 32)}, roofline, NANO, "25W")
    assert profile.entries[0].accuracy is None
    assert profile.entries[0].accuracy_from == ""


def test_a_mode_that_there_is_not_is_refused(roofline: Roofline):
    with pytest.raises(SettingsError, match="find power mode 30W"):
        model(roofline, "30W")


# ---------------------------------------------------------------- savings


def test_modelled_savings_are_shown_and_never_judged(roofline: Roofline):
    checks = check_claims(load_claims(), model(roofline, "25W"))
    shown = [check for check in checks if check.saving is not None]
    assert {check.claim.quantity for check in shown} == {"energy", "time"}
    for check in shown:
        assert check.saving is not None
        assert check.saving.provenance == "modelled"
        assert check.verdict == "not comparable"
        assert f"our {check.claim.quantity} is modelled, not measured" in check.reasons


def test_a_modelled_time_against_a_measured_one_is_modelled(roofline: Roofline):
    full, small = model(roofline, "25W").entries
    saving = saving_of(small, full, "time")
    assert saving is not None
    assert saving.ratio == pytest.approx(1 - small.latency_s / full.latency_s)
    assert saving.provenance == "modelled"
    measured = full.__class__(name="full", latency_s=1.0)
    assert saving_of(small, measured, "time") is None  # measured, and without an interval
