import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.backends.cuda_memory.lifetime import Owned, Owner


class Device(Owner):
    def __init__(self):
        super().__init__()
        self.log = []

    def _enter(self):
        self.log.append("enter")

    def _finish(self):
        self.log.append("finish")

    def _let_go(self):
        self.log.append("let go")


class Item(Owned):
    kind = "thing"

    def __init__(self, device, name):
        super().__init__(device)
        self.device, self.name = device, name

    def _give_back(self):
        self.device.log.append(self.name)


def test_a_device_closes_the_newest_first_once_it_is_idle():
    device = Device()
    items = [Item(device, name) for name in "abc"]
    items[1].close()
    device.log.clear()
    device.close()
    device.close()
    assert [line for line in device.log if line != "enter"] == ["finish", "c", "a", "let go"]


@given(st.lists(st.integers(0, 6), max_size=20))
def test_everything_is_given_back_exactly_once(order):
    device = Device()
    items = [Item(device, str(number)) for number in range(6)]
    for number in order:
        (device if number == 6 else items[number]).close()
    device.close()
    for item in items:
        item.close()
    assert sorted(line for line in device.log if line.isdigit()) == list("012345")
    assert device.log[-1] == "let go"


def test_two_threads_that_close_one_thing_give_it_back_once():
    device = Device()
    for _ in range(50):
        item, gate = Item(device, "x"), threading.Barrier(2)

        def close(item=item, gate=gate):
            gate.wait()
            item.close()

        threads = [threading.Thread(target=close) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert device.log.count("x") == 50


def test_use_after_close_is_refused_with_the_kind():
    device = Device()
    item = Item(device, "a")
    item.check_open()
    item.close()
    with pytest.raises(ValueError, match="use a thing: it is closed"):
        item.check_open()
    device.check_open("allocate")
    device.close()
    with pytest.raises(ValueError, match="allocate: the device is closed"):
        device.check_open("allocate")


@pytest.mark.parametrize("size_bytes", [0, -1])
def test_an_allocation_of_nothing_is_refused_with_its_kind(size_bytes: int):
    device = Device()
    assert device.check_allocation("memory", 1) == "allocate memory"
    with pytest.raises(ValueError, match=f"allocate memory: .* 1 byte, got {size_bytes}"):
        device.check_allocation("memory", size_bytes)


def test_nothing_is_allocated_after_close():
    device = Device()
    device.close()
    with pytest.raises(ValueError, match="allocate memory: the device is closed"):
        device.check_allocation("memory", 1)
