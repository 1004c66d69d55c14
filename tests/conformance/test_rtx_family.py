"""Whole families through NVIDIA's own parser and compiler, and the verb that does it."""

import json
import os
import subprocess
import sys

import pytest

from edgert.artifacts import load_family
from edgert.build.check_family import check_family
from edgert.build.targets import TensorRtTarget
from tests.conformance.rtx import VERSION
from tests.conftest import PROJECT
from tests.scaled_family import make_scaled_family

pytestmark = pytest.mark.nvidia


def test_every_configuration_of_the_bundled_family_is_compiled(rtx, bundled_family):
    folder = load_family(bundled_family)
    checks = check_family(folder, target=TensorRtTarget(), compiler=rtx)
    assert [check.name for check in checks] == [c.name for c in folder.family.configurations]
    assert len(checks) == 9
    for check in checks:
        assert check.errors == []
        assert check.compiled is not None
        assert check.compiled.plan_bytes > 1_000_000
        assert check.compiled.low_precision == {}
        assert check.compiled.warnings == ()
        assert set(check.compiled.types) == {"FLOAT"}
    full, cheapest = checks[0].compiled, checks[-1].compiled
    assert full.layers["NORMALIZATION"] == {"FLOAT": 30}
    assert full.layers["SOFTMAX"] == {"FLOAT": 8}  # eight blocks of attention
    assert "SOFTMAX" not in cheapest.layers
    assert cheapest.layer_count < full.layer_count / 2
    assert cheapest.plan_bytes < full.plan_bytes / 2


@pytest.mark.parametrize(("family", "count"), [("subnets", 10), ("models", 7)])
def test_every_subnet_and_every_scaled_version_is_compiled(rtx, tmp_path, family, count):
    if family == "models":
        make_scaled_family(tmp_path / "models")
    path = PROJECT / "engines" / "ofa-small" if family == "subnets" else tmp_path / "models"
    checks = check_family(load_family(path), target=TensorRtTarget(), compiler=rtx)
    assert len(checks) == count
    plans = []
    for check in checks:
        assert check.errors == []
        assert check.compiled is not None
        assert check.compiled.low_precision == {}
        plans.append(check.compiled.plan_bytes)
    assert plans[-1] < plans[0]


def test_the_verb_reports_the_tiny_family(rtx_path, tiny_family):
    done = subprocess.run(
        [sys.executable, "-m", "edgert", "verify", str(tiny_family), "--nvidia", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*rtx_path, PROJECT]))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tensorrt_rtx"] == VERSION
    assert [each["accepted"] for each in found["configurations"]] == [True] * 3
    layers = [each["compiled"]["layers"] for each in found["configurations"]]
    assert [kinds["CONVOLUTION"]["FLOAT"] for kinds in layers] == sorted(
        (kinds["CONVOLUTION"]["FLOAT"] for kinds in layers), reverse=True
    )
    assert all(each["compiled"]["plan_bytes"] > 0 for each in found["configurations"])
