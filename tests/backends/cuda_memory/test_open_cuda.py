from importlib.util import find_spec

import pytest

from edgert.backends.cuda_memory import BINDINGS, open_cuda
from edgert.errors import BackendError, MissingDependencyError

HERE = "tests.backends.cuda_memory.test_open_cuda"


class Opened:
    def __init__(self, ordinal):
        self.ordinal = ordinal


class Second(Opened):
    pass


class Absent:
    def __init__(self, _):
        raise MissingDependencyError("import it", expected="it", got="none", advice="Install it")


class Driverless:
    def __init__(self, _):
        raise BackendError("open the GPU", expected="a driver", got="none", advice="Get one")


def table(*classes):
    return {f"binding {number}": f"{HERE}:{name}" for number, name in enumerate(classes)}


def test_the_first_that_is_installed_is_taken():
    assert isinstance(open_cuda(bindings=table("Opened", "Second")), Opened)
    assert isinstance(open_cuda(bindings=table("Absent", "Second")), Second)


def test_one_is_taken_by_name():
    assert isinstance(open_cuda("binding 1", bindings=table("Opened", "Second")), Second)


def test_the_ordinal_is_handed_on():
    assert open_cuda(ordinal=3, bindings=table("Opened")).ordinal == 3


def test_one_that_is_named_and_absent_is_not_replaced():
    with pytest.raises(MissingDependencyError, match="import it"):
        open_cuda("binding 0", bindings=table("Absent", "Opened"))


def test_one_that_finds_no_driver_is_not_passed_over():
    with pytest.raises(BackendError, match="expected a driver"):
        open_cuda(bindings=table("Driverless", "Opened"))


def test_none_installed_names_the_extra():
    with pytest.raises(MissingDependencyError) as error:
        open_cuda(bindings=table("Absent", "Absent"))
    assert "pip install 'edgert[cuda]'" in error.value.advice
    assert "binding 0, binding 1" in error.value.expected


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(BackendError, match=r"one of cuda-python, pycuda, got 'cupy'"):
        open_cuda("cupy")


def test_the_table_names_each_class_as_it_names_itself():
    from edgert.backends.cuda_memory.cuda_python import CudaPython
    from edgert.backends.cuda_memory.pycuda import PyCuda

    assert list(BINDINGS) == [CudaPython.binding, PyCuda.binding]
    assert [entry.split(":")[1] for entry in BINDINGS.values()] == ["CudaPython", "PyCuda"]


@pytest.mark.skipif(
    find_spec("cuda") is not None or find_spec("pycuda") is not None,
    reason="a binding is installed here",
)
def test_the_real_table_says_what_to_install():
    with pytest.raises(MissingDependencyError, match=r"cuda-python, pycuda, got none installed"):
        open_cuda()
