"""Checkpoints and licences by name, from a hub on this machine that answers as the real one."""

import http.server
import socket
import threading

import pytest

from edgert.errors import ArtifactError
from tests.export.hub_server import HubServer

pytestmark = pytest.mark.export
pytest.importorskip("huggingface_hub")

from edgert.families.hub import Hub  # noqa: E402

MODEL = "owner/segformer-tiny"
CARD = (
    b"---\nlicense: other\nlicense_link: https://example.org/L\n---\n## License\nNot for sale.\n"
)
FILES = {"README.md": CARD, "config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def server():
    with HubServer() as running:
        yield running


@pytest.fixture
def hub(server, tmp_path):
    return Hub(server.endpoint, tmp_path / "cache")


def without(name):
    return {key: content for key, content in FILES.items() if key != name}


def refusal(act) -> str:
    with pytest.raises(ArtifactError) as caught:
        act()
    line = str(caught.value)
    assert "\n" not in line
    assert MODEL in line
    return line


def test_a_licence_is_read_and_no_weights_are_fetched_for_it(server, hub):
    server.add(MODEL, FILES)
    licence = hub.licence(MODEL)
    assert (licence.name, licence.link) == ("other", "https://example.org/L")
    assert "Not for sale." in licence.text
    assert server.fetched() == [(MODEL, "main", "README.md")]


def test_a_licence_file_beside_the_card_is_shown_too(server, hub):
    card = b"---\nlicense: other\nlicense_link: LICENSE\n---\n"
    server.add(MODEL, {**FILES, "README.md": card, "LICENSE": b"All of the words."})
    assert "All of the words." in hub.licence(MODEL).full


def test_a_licence_file_that_is_missing_leaves_its_name(server, hub):
    server.add(MODEL, {**FILES, "README.md": b"---\nlicense_link: LICENSE.txt\n---\n"})
    assert "Text at: LICENSE.txt" in hub.licence(MODEL).full


def test_a_model_without_a_card_states_no_licence(server, hub):
    server.add(MODEL, without("README.md"))
    assert "none stated" in hub.licence(MODEL).full


def test_safetensors_of_main_are_preferred(server, hub, tmp_path):
    server.add(MODEL, {**FILES, "pytorch_model.bin": b"pickle"})
    server.add(MODEL, {"model.safetensors": b"other"}, revision="refs/pr/2")
    fetched = hub.fetch(MODEL, tmp_path / "out")
    assert fetched.folder == tmp_path / "out" / "segformer-tiny"
    assert sorted(p.name for p in fetched.folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (fetched.folder / "model.safetensors").read_bytes() == b"weights"
    assert (fetched.weights, fetched.revision) == ("model.safetensors", "main")
    assert len(fetched.commit) == 40


def test_then_those_of_the_pull_request(server, hub, tmp_path):
    server.add(MODEL, {**without("model.safetensors"), "pytorch_model.bin": b"pickle"})
    server.add(MODEL, {"model.safetensors": b"converted"}, revision="refs/pr/2")
    fetched = hub.fetch(MODEL, tmp_path / "out")
    assert (fetched.folder / "model.safetensors").read_bytes() == b"converted"
    assert (fetched.weights, fetched.revision) == ("model.safetensors", "refs/pr/2")
    assert not any(name == "pytorch_model.bin" for _, _, name in server.fetched())


def test_then_the_pickle(server, hub, tmp_path):
    server.add(MODEL, {**without("model.safetensors"), "pytorch_model.bin": b"pickle"})
    fetched = hub.fetch(MODEL, tmp_path / "out")
    assert (fetched.folder / "pytorch_model.bin").read_bytes() == b"pickle"
    assert (fetched.weights, fetched.revision) == ("pytorch_model.bin", "main")


def test_preprocessing_comes_along_where_there_is_any(server, hub, tmp_path):
    server.add(MODEL, {**FILES, "preprocessor_config.json": b"[]"})
    fetched = hub.fetch(MODEL, tmp_path / "out")
    assert (fetched.folder / "preprocessor_config.json").read_bytes() == b"[]"


@pytest.mark.parametrize(
    ("missing", "word"),
    [("config.json", "config.json"), ("model.safetensors", "pytorch_model.bin")],
)
def test_a_missing_file_is_named(server, hub, tmp_path, missing, word):
    server.add(MODEL, without(missing))
    line = refusal(lambda: hub.fetch(MODEL, tmp_path / "out"))
    assert word in line
    assert server.endpoint in line
    assert not (tmp_path / "out").exists()


def test_a_model_that_the_hub_does_not_have(hub):
    line = refusal(lambda: hub.licence(MODEL))
    assert "status 401: no such model, or not for you" in line


def test_a_gated_model(server, hub, tmp_path):
    server.add(MODEL, FILES)
    server.gated.add(MODEL)
    assert hub.licence(MODEL).name == "other"  # the card can be read by everybody
    line = refusal(lambda: hub.fetch(MODEL, tmp_path / "out"))
    assert "a gated model" in line
    assert f"{server.endpoint}/{MODEL}" in line


@pytest.mark.parametrize("status", [500, 503, 418])
def test_a_hub_that_is_down(server, hub, status):
    server.status = status
    line = refusal(lambda: hub.licence(MODEL))
    assert f"status {status}" in line
    assert len(server.asked) == 1  # nobody waits for half a minute of retries


def test_no_network(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        line = refusal(lambda: Hub(endpoint, tmp_path / "cache").licence(MODEL))
    assert "Connection refused" in line
    assert "--endpoint" in line
    assert "--checkpoint" in line


def test_a_host_that_nobody_knows(tmp_path):
    line = refusal(lambda: Hub("http://nowhere.invalid", tmp_path / "cache").licence(MODEL))
    assert "http://nowhere.invalid" in line


def test_something_else_than_a_hub(tmp_path):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        other = Hub(f"http://127.0.0.1:{page.server_port}", tmp_path / "cache")
        line = refusal(lambda: other.licence(MODEL))
        page.shutdown()
        thread.join()
    assert "X-Repo-Commit" in line


def test_what_was_fetched_before_serves_while_the_hub_is_down(server, hub, tmp_path):
    server.add(MODEL, FILES)
    hub.licence(MODEL)
    hub.fetch(MODEL, tmp_path / "one")
    server.status = 503
    again = Hub(server.endpoint, tmp_path / "cache")
    assert again.licence(MODEL).name == "other"
    fetched = again.fetch(MODEL, tmp_path / "two")
    assert (fetched.folder / "model.safetensors").read_bytes() == b"weights"


def test_half_of_it_fetched_before_is_told_as_the_hubs_failure(server, hub, tmp_path):
    server.add(MODEL, FILES)
    hub.licence(MODEL)
    server.status = 503
    again = Hub(server.endpoint, tmp_path / "cache")
    assert "status 503" in refusal(lambda: again.fetch(MODEL, tmp_path / "two"))


def test_a_source_that_is_no_name(hub):
    with pytest.raises(ArtifactError, match="OWNER/NAME"):
        hub.licence("owner/model/more")


def test_the_users_token_goes_to_no_other_hub(server, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user")
    server.add(MODEL, FILES)
    hub.licence(MODEL)
    hub.fetch(MODEL, tmp_path / "out")
    assert server.tokens == set()
    with pytest.raises(OSError, match="418"):  # the server would notice
        server.status = 418
        hub._hub.get_hf_file_metadata(f"{server.endpoint}/{MODEL}/resolve/main/x", token=True)
    assert server.tokens == {"Bearer hf_of_the_user"}


@pytest.mark.slow
def test_a_connection_that_breaks_off_again_and_again(server, hub, tmp_path):
    server.add(MODEL, {**FILES, "model.safetensors": b"w" * 100_000})
    server.cut.add("model.safetensors")
    refusal(lambda: hub.fetch(MODEL, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    server.cut.clear()
    fetched = hub.fetch(MODEL, tmp_path / "out")
    assert (fetched.folder / "model.safetensors").read_bytes() == b"w" * 100_000
