"""The API's document: complete, true, and what is in it holds for whatever is sent."""

import re

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edgert.daemon.http.openapi import document
from edgert.records import Event, PictureResult, Wanted, WantedChange
from tests.daemon.fake_service import jpeg
from tests.daemon.http.conftest import TOKEN, Served

STREAMING = ("text/event-stream", "multipart/x-mixed-replace")


def test_it_is_openapi_with_examples_that_fit(served: Served) -> None:
    content = served.client.get("/openapi.json").json()
    assert content["openapi"] == "3.1.0"
    schemas = content["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.meta.validate(schema)
    assert not re.search(r"\\\\Z", served.client.get("/openapi.json").text)
    shown = {"Wanted": Wanted, "WantedChange": WantedChange, "PictureResult": PictureResult}
    examples = 0
    for path in content["paths"].values():
        for operation in path.values():
            carriers = [*operation["responses"].values(), operation.get("requestBody", {})]
            for carrier in carriers:
                for kind in carrier.get("content", {}).values():
                    if "example" not in kind:
                        continue
                    examples += 1
                    whole = {**kind["schema"], "components": content["components"]}
                    jsonschema_rs.Draft202012Validator(whole).validate(kind["example"])
                    name = kind["schema"].get("$ref", "").rpartition("/")[2]
                    if name in shown:
                        msgspec.convert(kind["example"], shown[name])
    assert examples > 40
    events = content["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]
    msgspec.convert(events["application/json"]["example"], list[Event])


def test_what_is_served_is_in_it_and_nothing_else(served: Served) -> None:
    content = served.client.get("/openapi.json").json()
    paths = set(content["paths"])
    assert paths == {
        "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/metrics", "/openapi.json",
        "/v1/status", "/v1/configurations", "/v1/limits", "/v1/streams", "/v1/events",
        "/v1/streams/{name}/picture.jpg", "/v1/streams/{name}/video.mjpeg", "/v1/infer",
        "/v1/reload", "/v1/login",
    }  # fmt: skip
    starlette = served.app._guard._app.app  # behind what makes requests give way to frames
    routed = {route.path: route.methods - {"HEAD"} for route in starlette.routes}
    for path, methods in routed.items():
        if path not in ("/", "/dashboard/{path:path}"):
            assert {method.upper() for method in content["paths"][path]} == methods


def test_it_says_that_a_token_is_needed_where_one_is(serve, served: Served) -> None:
    locked = serve(token=TOKEN)
    content = locked.client.get("/openapi.json").json()
    assert content["security"] == [{"token": []}, {"cookie": []}]
    assert "401" in content["paths"]["/v1/status"]["get"]["responses"]
    assert content["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in served.client.get("/openapi.json").json()


def test_a_change_that_refuses_no_content_type_can_not_be_added(served: Served) -> None:
    from edgert.daemon.http.endpoints import Endpoint

    async def handler(request):
        return None

    with pytest.raises(ValueError, match="refuses no content type"):
        document([Endpoint("POST", "/x", handler, "x", {})], version="1", token=False)


# ---------------------------------------------------------------- whatever is sent

EXAMPLES = 160  # of each operation and mode: more than a thousand that are wrong


def call(served: Served, case) -> tuple[int, dict[str, str], bytes]:
    """Send a case; of an answer without an end, only the start is read."""
    sent = case.as_transport_kwargs(base_url=served.url)
    request = served.client.build_request(
        sent["method"],
        sent["url"],
        params=sent.get("params") or None,
        headers={k: str(v).encode("latin-1", "replace") for k, v in dict(sent["headers"]).items()},
        cookies=sent.get("cookies"),
        json=sent.get("json"),
        content=sent.get("data") if isinstance(sent.get("data"), (bytes, str)) else None,
    )
    response = served.client.send(request, stream=True)
    try:
        endless = response.headers.get("content-type", "").startswith(STREAMING)
        body = b"" if endless else response.read()
    finally:
        response.close()
    return response.status_code, dict(response.headers), body


class Document:
    """The API's document, to hold answers against."""

    def __init__(self, served: Served) -> None:
        self.content = served.client.get("/openapi.json").json()
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def names(self, path: str, method: str, status: int, headers, body: bytes) -> None:
        """The answer is one that the document names."""
        answers = self.content["paths"][path][method.lower()]["responses"]
        assert str(status) in answers, f"{status} is not in the document: {body[:300]!r}"
        named = answers[str(status)].get("content", {})
        if not named:
            assert body == b""
            return
        kinds = {kind.partition(";")[0]: entry for kind, entry in named.items()}
        sent_as = headers["content-type"].partition(";")[0]
        assert sent_as in kinds
        if sent_as == "application/json":
            self._validator(kinds[sent_as]["schema"]).validate(msgspec.json.decode(body))

    def _validator(self, schema: dict) -> jsonschema_rs.Draft202012Validator:
        key = str(schema)
        if key not in self._validators:
            whole = {**schema, "components": self.content["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return self._validators[key]


@pytest.mark.slow
def test_a_thousand_requests_and_more_get_what_the_document_says(serve, caplog) -> None:
    served = serve(upload_bytes=5_000)
    said = Document(served)
    schema = schemathesis.openapi.from_dict(said.content)
    statuses: dict[int, int] = {}
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 17
    for operation in operations:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                _hammer(served, said, operation, strategy, statuses)
            except _NothingNegativeError:
                continue
    sent = sum(statuses.values())
    print(f"{sent} requests: {dict(sorted(statuses.items()))}")
    assert sum(count for status, count in statuses.items() if 400 <= status < 500) >= 1000
    assert {200, 422, 415, 404} <= set(statuses)
    assert not any(status >= 500 and status != 503 for status in statuses)
    assert "Exception in ASGI" not in caplog.text
    assert served.client.get("/healthz").status_code == 200


class _NothingNegativeError(Exception):
    """An operation without parameters can't be called wrongly."""


def _hammer(served: Served, said: Document, operation, strategy, statuses: dict[int, int]) -> None:
    from hypothesis.errors import Unsatisfiable

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def hammer(case) -> None:
        status, headers, body = call(served, case)
        statuses[status] = statuses.get(status, 0) + 1
        said.names(operation.path, operation.method, status, headers, body)

    try:
        hammer()
    except Unsatisfiable as nothing:
        raise _NothingNegativeError from nothing


@pytest.mark.slow
def test_bodies_made_of_anything_get_what_the_document_says(serve) -> None:
    """Where schemathesis keeps to JSON: bytes, and pictures with bytes changed."""
    served = serve(upload_bytes=5_000)
    said = Document(served)
    start = jpeg(width=40, height=30)
    kinds = st.sampled_from(["image/jpeg", "image/png", "application/json", "text/plain", "a/b"])
    changed = st.builds(
        lambda cut, more: start[:cut] + more, st.integers(0, len(start)), st.binary(max_size=40)
    )
    ends = st.sampled_from([("/v1/infer", "post"), ("/v1/limits", "patch"), ("/v1/reload", "post"),
                            ("/v1/login", "post")])  # fmt: skip

    @settings(max_examples=500, database=None, derandomize=True)
    @given(end=ends, kind=kinds, body=changed | st.binary(max_size=6_000))
    def hammer(end, kind, body) -> None:
        path, method = end
        response = served.client.request(
            method, path, content=body, headers={"content-type": kind}
        )
        said.names(path, method, response.status_code, response.headers, response.content)

    hammer()
