import pytest

from edgert.boards import Board, PowerMode, find_power_mode, load_board
from edgert.errors import SettingsError
from edgert.profiling.roofline.peaks import peaks_of

MODE = PowerMode(name="any", gpu_hz=1e9, memory_hz=2e9)


def board(**facts) -> Board:
    known = {"compute_capability": "8.7", "multiprocessors": 8, "memory_bus_bits": 128}
    return Board(
        name="jetson-mine", description="", part_numbers=["p9999-0001"], **{**known, **facts}
    )


@pytest.mark.parametrize(
    ("name", "mode", "int8_tops", "fp16_tops", "gb_per_s"),
    [
        ("jetson-orin-nano-8gb", "15W-before-super", 20.5, 10.2, 68.3),
        ("jetson-orin-nano-8gb", "25W", 30.1, 15.0, 102.4),
        ("jetson-orin-nano-8gb", "MAXN_SUPER", 33.4, 16.7, 102.4),
        ("jetson-orin-nx-16gb", "MAXN", 30.1, 15.0, 102.4),
        ("jetson-orin-nx-16gb", "MAXN_SUPER", 38.4, 19.2, 102.4),
        ("jetson-agx-orin-32gb", "MAXN", 53.3, 26.7, 204.8),
        ("jetson-agx-orin-64gb", "MAXN", 85.2, 42.6, 204.8),
    ],
)
def test_peaks_are_the_published_ones(name, mode, int8_tops, fp16_tops, gb_per_s):
    """Dense; NVIDIA's own figures are sparse, twice these: 40, 67, 100, 170 TOPS."""
    orin = load_board(name)
    int8 = peaks_of(orin, find_power_mode(orin, mode), "int8")
    fp16 = peaks_of(orin, find_power_mode(orin, mode), "fp16")
    assert int8.operations_per_s / 1e12 == pytest.approx(int8_tops, rel=0.006)
    assert fp16.operations_per_s / 1e12 == pytest.approx(fp16_tops, rel=0.006)
    assert int8.bytes_per_s == fp16.bytes_per_s
    assert int8.bytes_per_s / 1e9 == pytest.approx(gb_per_s, rel=0.006)
    assert (int8.element_bytes, fp16.element_bytes) == (1, 2)


def test_a_mode_that_gates_multiprocessors_lowers_the_peak():
    half = PowerMode(name="half", gpu_hz=1e9, memory_hz=2e9, multiprocessors=4)
    whole_ops = peaks_of(board(), MODE, "fp16").operations_per_s
    assert peaks_of(board(), half, "fp16").operations_per_s == whole_ops / 2


@pytest.mark.parametrize("fact", ["multiprocessors", "memory_bus_bits"])
def test_what_the_board_s_file_lacks_is_named(fact: str):
    with pytest.raises(SettingsError, match=f"got no {fact}. Add it with its source"):
        peaks_of(board(**{fact: None}), MODE, "fp16")


def test_what_the_power_mode_lacks_is_named():
    with pytest.raises(SettingsError, match="got no gpu_hz, no memory_hz"):
        peaks_of(board(), PowerMode(name="any"), "fp16")


@pytest.mark.parametrize(
    ("capability", "precision"), [("11.0", "fp16"), ("8.7", "fp32"), ("", "int8")]
)
def test_no_peak_is_guessed(capability: str, precision):
    with pytest.raises(SettingsError, match="with published peaks"):
        peaks_of(board(compute_capability=capability), MODE, precision)
