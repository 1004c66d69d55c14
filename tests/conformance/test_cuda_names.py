"""Every name of CUDA that our source uses is in the bindings that it claims to work with."""

import json
from pathlib import Path

import pytest

from tests.backends.cuda_memory.fake_driver import FakeDriver
from tests.backends.cuda_memory.fake_pycuda import FakePycuda
from tests.conformance.cuda_names import cuda_python_names, names_below, pycuda_names
from tests.conformance.wheels import run_python, wheel_folder

# Both ends of what the extra `cuda` accepts for JetPack 6 and for 7, as far as it is released.
VERSIONS = ("12.8.0", "12.9.4", "13.0.0", "13.4.4")

PROGRAM = """
import functools, json
from cuda.bindings import driver

def missing(name):
    try:
        functools.reduce(getattr, name.split("."), driver)
    except AttributeError:
        return True

print(json.dumps(sorted(filter(missing, json.loads(NAMES)))))
"""


def folders(version: str) -> tuple[Path, Path]:
    return wheel_folder(f"cuda-bindings=={version}"), wheel_folder("cuda-pathfinder==1.4.2")


def missing_from(version: str, names: set[str]) -> list[str]:
    """Those of the names that the real binding has not."""
    program = PROGRAM.replace("NAMES", repr(json.dumps(sorted(names))))
    done = run_python(program, *folders(version))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.nvidia
@pytest.mark.parametrize("version", VERSIONS)
def test_every_name_is_in_the_real_binding(version):
    assert missing_from(version, cuda_python_names()) == []


@pytest.mark.nvidia
@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_that_is_not_there_is_found_out(version):
    wrong = {"cuMemAllocate", "CUstream_flags.CU_STREAM_FAST"}
    assert missing_from(version, {"cuMemAlloc", *wrong}) == sorted(wrong)


# Without a vendor's package: the collector sees what it should, and no fake has fallen behind.


def test_names_are_collected_from_our_source():
    names = cuda_python_names()
    assert len(names) > 35
    assert {
        "cuDevicePrimaryCtxRetain",
        "cuGraphUpload",
        "CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL",
        "CUdevice_attribute.CU_DEVICE_ATTRIBUTE_INTEGRATED",
        "CU_MEMHOSTALLOC_DEVICEMAP",
    } <= names
    assert not [name for name in names if name.startswith("cuCtxCreate")]
    assert {"mem_alloc", "host_alloc_flags.DEVICEMAP", "Device.count"} <= pycuda_names()


def test_the_collector_follows_a_name_one_step(tmp_path):
    source = tmp_path / "source.py"
    source.write_text(
        "def f(self, driver):\n"
        "    self._driver.first(driver.second.third)\n"
        "    kind, other = driver.Kind, 3\n"
        "    call = self.driver.fourth\n"
        "    return kind.A, kind.B, call(other.not_ours), driven.no\n"
    )
    assert names_below("driver", [source]) == {
        *("first", "second.third", "Kind.A", "Kind.B", "fourth")
    }


@pytest.mark.parametrize(
    ("fake", "names"),
    [(FakeDriver(), cuda_python_names()), (FakePycuda(), pycuda_names())],
    ids=["cuda-python", "pycuda"],
)
def test_the_fakes_have_every_name(fake, names):
    for name in names:
        found = fake
        for part in name.split("."):
            found = getattr(found, part)
