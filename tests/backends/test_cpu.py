from edgert.backends.cpu import cpu_identity

X86 = """processor\t: 0
model name\t: Example CPU @ 2.00GHz
flags\t\t: fpu sse sse2 avx avx2 fma nx {more}

processor\t: 1
model name\t: Example CPU @ 2.00GHz
flags\t\t: fpu sse sse2 avx avx2 fma nx {more}
"""
ARM = """processor\t: 0
BogoMIPS\t: 62.50
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd42

processor\t: 4
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0x001
"""


def identity(tmp_path, text):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    return cpu_identity(path)


def test_x86_gives_its_model(tmp_path):
    assert identity(tmp_path, X86)["cpu"] == "Example CPU @ 2.00GHz"


def test_arm_without_a_name_gives_its_numbers(tmp_path):
    found = identity(tmp_path, ARM)
    assert found["cpu"] == "cpu implementer 0x41, cpu part 0x001/0xd42"


def test_vector_instructions_change_the_identity(tmp_path):
    plain, wide = identity(tmp_path, X86), identity(tmp_path, X86.format(more="avx512f"))
    assert plain["cpu_instructions"] != wide["cpu_instructions"]
    assert plain["cpu"] == wide["cpu"]


def test_arm_instructions_change_the_identity(tmp_path):
    more = ARM.replace("asimddp", "asimddp i8mm")
    assert (
        identity(tmp_path, ARM)["cpu_instructions"] != identity(tmp_path, more)["cpu_instructions"]
    )


def test_flags_that_no_arithmetic_uses_do_not_matter(tmp_path):
    assert identity(tmp_path, X86.format(more="")) == identity(tmp_path, X86.format(more="ibpb"))


def test_order_of_flags_does_not_matter(tmp_path):
    turned = X86.replace("sse sse2 avx", "avx sse2 sse")
    assert identity(tmp_path, X86) == identity(tmp_path, turned)


def test_missing_description_is_unknown_not_an_error(tmp_path):
    found = cpu_identity(tmp_path / "none")
    assert found["cpu"] == "unknown"
    assert found["machine"]
