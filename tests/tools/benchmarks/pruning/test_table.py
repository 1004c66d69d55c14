from benchmarks.pruning.table import text_from


def row(name, by, **figures):
    plain = {"name": name, "by": by, "graph": "exported", "made_s": None, "peak_bytes": None}
    return {**plain, "note": "", **figures}


def result():
    scored = {"macs": 2_000_000, "macs_ratio": 1.0, "miou": 0.7, "miou_change": 0.0}
    timed = {"latency_ratio": 1.0, "latency_ratio_range": [1.0, 1.0]}
    return {
        "family": "toy",
        "baseline": "exported",
        "peer": "onnxsim 0.8.1",
        "calibration_frames": 41,
        "validation_frames": 101,
        "rounds": 7,
        "threads": None,
        "rows": [
            row("exported", "reference", **scored, **timed, file_bytes=1 << 20),
            row(
                "merged/blocks-2", "onnxsim", made_s=7.5, peak_bytes=500 << 20, macs_ratio=0.4,
                miou=0.655, miou_change=-0.045, latency_ratio=0.5,
                latency_ratio_range=[0.45, 0.6],
            ),
            row("merged/wanda-10", "onnxsim", macs_ratio=1.0, note="no change"),
            row("merged/wanda-25", "onnxsim", note="invalid: a | in\ntwo lines"),
            row("edgert uniform 1", "edgert", macs_ratio=0.39, miou=0.7, miou_change=-0.00001),
        ],
        "answers": {"merged/blocks-2": {"uniform": "edgert uniform 1"}, "merged/wanda-10": {}},
    }  # fmt: skip


def cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def lines_with(text, start):
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


def test_the_head_names_the_baseline_and_the_frames():
    head = text_from(result()).split("\n\n")[0]
    assert "the graph as exported (2.00 MMACs, mIoU 70.00%)" in head
    assert "onnxsim 0.8.1" in head
    assert "41 unlabelled calibration frames, 101 labelled frames, 7 rounds" in head
    assert "a thread for each core" in head


def test_every_model_has_a_row_and_what_is_not_known_a_dash():
    text = text_from(result())
    [line] = lines_with(text, "merged/blocks-2  ")[:1]
    assert cells(line) == [
        "merged/blocks-2", "onnxsim", "40.0 %", "65.50 %", "-4.50", "0.50 (0.45 to 0.60)",
        "7.5 s", "500.0 MiB", "-", "",
    ]  # fmt: skip
    [line] = lines_with(text, "merged/wanda-10")
    assert cells(line)[2:] == ["100.0 %", "-", "-", "-", "-", "-", "-", "no change"]


def test_tables_are_markdown_whatever_the_notes_hold():
    for table in text_from(result()).split("\n\n")[1::2]:
        lines = table.splitlines()
        assert len({len(line) for line in lines}) == 1
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert r"a \| in two lines" in text_from(result())


def test_answers_stand_beside_what_they_answer():
    last = text_from(result()).splitlines()[-1]
    assert cells(last) == [
        "merged/blocks-2", "40.0 %, -4.50", "-", "39.0 %, 0.00 (edgert uniform 1)", "-"
    ]  # fmt: skip


def test_without_an_answer_there_is_no_second_table():
    alone = {**result(), "answers": {"merged/wanda-10": {}}}
    assert "or fewer" not in text_from(alone)
    assert "or fewer" in text_from(result())
