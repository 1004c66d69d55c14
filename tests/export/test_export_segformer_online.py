"""Families without weights are filled by their models' names, after the licence was accepted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_family, sha256_from_file
from edgert.records import BaseModel
from tests.export.hub_server import HubServer

pytestmark = pytest.mark.export
pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.export.unfilled_segformer import (  # noqa: E402
    CARD,
    SOURCES,
    TOOL,
    arguments,
    content_of,
    refusal,
    unfilled_family,
)
from tools.export_segformer import main  # noqa: E402


@pytest.fixture
def hub(stored):
    """A hub with all three: B2's way of safetensors on a pull request, a pickle, and plain."""
    files = {
        name: {p.name: p.read_bytes() for p in folder.iterdir()} for name, folder in stored.items()
    }
    with HubServer() as server:
        for name, content in files.items():
            server.add(SOURCES[name], {"README.md": CARD.encode(), **content})
        weights = server.files[SOURCES["base"], "main"].pop("model.safetensors")
        server.add(SOURCES["base"], {"model.safetensors": weights}, revision="refs/pr/2")
        yield server


def online(family: Path, hub: HubServer, *words: str) -> list[str]:
    cache = family.parent.parent / "cache"
    return ["--fill", str(family), "--endpoint", hub.endpoint, "--cache", str(cache), *words]


def test_a_family_is_filled_by_its_models_names(family, hub, stored, capsys):
    assert main(online(family, hub, "--accept-license")) == 0
    told = capsys.readouterr()
    assert told.err.index("Not for sale.") < told.err.index("fetch owner/large")
    assert told.err.count("Model:   owner/") == 3
    filled = load_family(family).family
    assert filled.license == "as it was written; " + "; ".join(
        f"{source}: other (https://example.org/L)" for source in SOURCES.values()
    )
    again = unfilled_family(family.parent / "again")
    assert main(arguments(again, stored)) == 0
    for name in ("base", "middle", "small"):
        assert sha256_from_file(again / f"{name}.weights") == sha256_from_file(
            family / f"{name}.weights"
        )
    card = (family / "README.md").read_text(encoding="utf-8")
    assert "`owner/large`, model.safetensors of refs/pr/2 (" in card
    assert "`owner/small`, model.safetensors of main (" in card


def test_without_flags_it_is_the_librarys_hub_and_the_users_token(tmp_path, hub):
    family = unfilled_family(tmp_path / "one", scaled=False)
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN": "hf_of_the_user",
    }
    command = [sys.executable, str(TOOL), "--fill", str(family), "--accept-license"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert load_family(family).unfilled == []
    assert hub.tokens == {"Bearer hf_of_the_user"}
    assert (tmp_path / "cache").is_dir()


def test_without_consent_the_licence_is_shown_and_no_weights_are_fetched(family, hub, capsys):
    before = content_of(family)
    assert main(online(family, hub)) == 2  # pytest's stdin is no terminal
    told = capsys.readouterr().err
    assert "Not for sale." in told
    assert "as it was written" in told
    assert "--accept-license" in told.splitlines()[-1]
    assert {name for _, _, name in hub.fetched()} == {"README.md"}
    assert content_of(family) == before


class Terminal:
    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.answer


@pytest.mark.parametrize("answer", ["no\n", "y\n", "", "\n", "yes please\n"])
def test_any_other_answer_is_no(family, hub, answer, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(online(family, hub)) == 2
    assert "expected the licence above accepted" in capsys.readouterr().err
    assert {name for _, _, name in hub.fetched()} == {"README.md"}


def test_yes_goes_on(tmp_path, hub, monkeypatch):
    family = unfilled_family(tmp_path / "engines" / "one", scaled=False)
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert main(online(family, hub)) == 0
    assert load_family(family).unfilled == []


def test_one_of_them_missing_is_known_before_anything_is_fetched(family, hub, capsys):
    del hub.files[SOURCES["small"], "main"]
    before = content_of(family)
    line = refusal(capsys, online(family, hub, "--accept-license"))
    assert "fetch owner/small" in line
    assert {name for _, _, name in hub.fetched()} == {"README.md"}
    assert content_of(family) == before


def test_a_hub_that_is_down_leaves_the_folder_as_it_was(family, hub, capsys):
    hub.status = 503
    before = content_of(family)
    assert "status 503" in refusal(capsys, online(family, hub, "--accept-license"))
    assert content_of(family) == before


def test_a_model_without_a_source_has_to_be_given(tmp_path, hub, capsys):
    base = BaseModel(graph="base.onnx")
    family = unfilled_family(tmp_path / "engines" / "one", scaled=False, base=base)
    line = refusal(capsys, online(family, hub, "--accept-license"), status=2)
    assert "`source` in family.yaml" in line
