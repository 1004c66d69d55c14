from pathlib import Path

import pytest

from edgert.errors import ArtifactError, SettingsError
from edgert.profiling.roofline.published import load_published

ROW = """\
- {graph: resnet50-224, board: jetson-orin-nx-16gb, power_mode: MAXN, precision: int8,
   latency_s: 0.001, use: fit, source: somebody}
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    return load_published(path)


def test_edgert_s_own_rows_are_whole():
    cases = load_published()
    assert [case.row.use for case in cases].count("fit") == 15
    assert (
        len({(c.row.graph, c.row.board, c.row.power_mode, c.row.precision) for c in cases}) == 20
    )
    assert all(case.row.source and case.work.kernels for case in cases)
    assert {case.architecture for case in cases} == {
        "vision transformer", "ResNet", "MobileNet", "YOLO", "SegFormer",
    }  # fmt: skip


def test_a_rate_becomes_a_time():
    [case, *_] = load_published()
    assert case.row.rate_hz == 98
    assert case.row.published_s == pytest.approx(0.010204, abs=1e-6)


def test_a_row_of_one_s_own_is_read(tmp_path: Path):
    [case] = load(tmp_path, ROW)
    assert case.row.published_s == 0.001
    assert case.peaks.element_bytes == 1


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("latency_s: 0.001", "use: fit", ArtifactError, "rate_hz or latency_s"),
        ("latency_s: 0.001", "latency_s: 0.001, rate_hz: 5", ArtifactError, "not both"),
        ("latency_s: 0.001", "latency_s: -1", ArtifactError, "latency_s"),
        ("source: somebody", "colour: red", ArtifactError, "colour"),
        ("resnet50-224", "resnet51", ArtifactError, "count graph resnet51"),
        ("power_mode: MAXN", "power_mode: 9W", SettingsError, "find power mode 9W"),
        ("jetson-orin-nx-16gb", "jetson-mine", SettingsError, "find board jetson-mine"),
        ("power_mode: MAXN", "power_mode: 25W", SettingsError, "got no memory_hz"),
    ],
)
def test_a_damaged_row_is_one_line(tmp_path: Path, old: str, new: str, error, message: str):
    with pytest.raises(error, match=message) as raised:
        load(tmp_path, ROW.replace(old, new))
    assert "\n" not in str(raised.value)
