from edgert.backends.onnxruntime_kernels import Kernel, kernel_table


def test_the_table_holds_what_the_runtime_tells_of_itself():
    table = kernel_table()
    assert table is not None
    assert len(table.kernels) > 200
    assert table.since_version("", "Gelu", 19) is None
    assert table.since_version("", "Gelu", 22) == 20
    assert table.since_version("", "Softmax", 12) == 11
    assert table.since_version("my.ops", "Softmax", 12) is None
    assert table.signatures["", "Gather", 13] == (("T", "Tind"), ("T",))
    conv = [k for k in table.kernels["", "Conv"] if k.serves(11)]
    assert [k.types["T"] for k in conv] == [{"tensor(float)"}]


def test_a_kernel_without_an_end_is_for_the_version_it_names_only():
    closed, unbounded = Kernel(11, 12, {}), Kernel(13, 2**31 - 1, {})
    assert [closed.serves(v) for v in (10, 11, 12, 13)] == [False, True, True, False]
    assert [unbounded.serves(v) for v in (12, 13, 14)] == [False, True, False]
