"""The dashboard's file: whole, and what Grafana's own schema reads of it is all that it says."""

import itertools
import json
from typing import Any

import pytest

from tests.fleet.expressions import dashboard

BOARD = dashboard()
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def differences(wanted: Any, got: Any, where: str = "") -> list[str]:
    """What of `wanted` is not in `got`."""
    if isinstance(wanted, dict):
        if not isinstance(got, dict):
            return [where]
        return [
            line
            for key, value in wanted.items()
            for line in (
                differences(value, got[key], f"{where}.{key}")
                if key in got
                else [f"{where}.{key} is not known"]
            )
        ]
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return [where]
        pairs = enumerate(zip(wanted, got, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{where}[{i}]")]
    return [] if wanted == got else [f"{where}: {wanted!r} became {got!r}"]


def read_by_grafana(board: dict[str, Any]) -> Any:
    """The board as Grafana's own code (its Foundation SDK) reads it, written again."""
    reason = "grafana-foundation-sdk is not installed. Run: pip install -e '.[dev]'"
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason=reason)
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins", reason=reason)
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder", reason=reason)
    plugins.register_default_plugins()  # panels' options and Prometheus' queries too
    read = models.Dashboard.from_json(json.loads(json.dumps(board)))
    return json.loads(encoder.JSONEncoder().encode(read))


def test_grafana_reads_all_of_it() -> None:
    assert not differences(BOARD, read_by_grafana(BOARD))


def test_grafana_does_not_read_what_is_misspelt() -> None:
    board = json.loads(json.dumps(BOARD))
    series = next(p for p in board["panels"] if p["type"] == "timeseries")
    series["fieldConfig"]["defaults"]["custom"]["lineWidht"] = 2
    series["targets"][0]["legendFromat"] = "x"
    found = differences(board, read_by_grafana(board))
    assert [line.rsplit(".", 1)[1] for line in found] == [
        "legendFromat is not known",
        "lineWidht is not known",
    ]


def test_panels_have_what_a_reader_needs() -> None:
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        if panel["type"] in ("timeseries", "stat"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    units = {panel["fieldConfig"]["defaults"].get("unit") for panel in PANELS}
    assert {"watt", "celsius", "s", "joule", "percentunit"} <= units


def test_ids_and_places_are_each_panels_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        columns = range(at["x"], at["x"] + at["w"])
        cells = set(itertools.product(columns, range(at["y"], at["y"] + at["h"])))
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


def test_every_figure_comes_from_the_chosen_source_and_devices() -> None:
    assert BOARD["uid"] == "edgert-fleet"
    assert [v["name"] for v in BOARD["templating"]["list"]] == ["datasource", "instance", "stream"]
    for panel in PANELS:
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            names = target["expr"].count("edgert_") + target["expr"].count("process_")
            guarded = target["expr"].count('instance=~"$instance"')
            joined = target["expr"].count("and on (job, instance) edgert_build_info")
            assert guarded + joined == names, target["expr"]


def test_no_emulated_figure_looks_measured() -> None:
    """Where power, heat or energy is shown, its legend says how the figure came about."""
    for panel in PANELS:
        for target in panel["targets"]:
            named = ("edgert_power_watts", "temperature_celsius{", "energy_joules_total")
            if any(n in target["expr"] for n in named) and "limit" not in target["expr"]:
                assert "{{provenance}}" in target["legendFormat"], target["expr"]
