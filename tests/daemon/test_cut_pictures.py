"""Pictures that are sent in see what the family says is seen."""

from pathlib import Path

import msgspec
import pytest

from edgert.cli.main import main
from edgert.daemon.service import EdgeService
from edgert.settings import Settings, StreamSettings
from tests.centre_family import CROP, framed, make_centre_family
from tests.daemon.real_daemon import BOARD

SOURCE = "test://?width=64&height=48&fps=25&frames=100000"


@pytest.mark.parametrize(("crop", "label"), [(CROP, "red"), (msgspec.UNSET, "green")])
def test_a_picture_is_cut_before_its_turn(tmp_path: Path, monkeypatch, crop, label):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    family = make_centre_family(tmp_path / "centre", crop)
    words = ["--board", str(BOARD), "--rounds", "1", "--frame-count", "1"]
    assert main(["profile", str(family), "--build", *words]) == 0
    stream = StreamSettings(name="yard", source=SOURCE, policy="latest")
    settings = Settings(family=str(family), board=str(BOARD), threads=1, streams=(stream,))
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    service = EdgeService(settings, reread=lambda: settings, state=state, root=tmp_path)
    try:
        service.start()
        result = service.infer(framed(0), with_map=False).result(timeout=20)
    finally:
        service.close()
    assert next(iter(result.labels)) == label
