"""The API's document, OpenAPI 3.1, made from the table of endpoints and the records themselves."""

from collections.abc import Sequence
from typing import Any

import msgspec

from edgert.daemon.http.endpoints import Content, Endpoint, ErrorLine, error
from edgert.daemon.http.event_stream import example as event_example
from edgert.daemon.http.looks import Done, Health, Login
from edgert.records import (
    ConfigurationStatus,
    Event,
    Limits,
    PictureResult,
    ServiceStatus,
    StreamStatus,
    Wanted,
    WantedChange,
)

_RECORDS = (
    ErrorLine, Health, Done, Login, ServiceStatus, ConfigurationStatus, StreamStatus, Event,
    Wanted, WantedChange, PictureResult,
)  # fmt: skip
_PLACE = "#/components/schemas/{name}"
# What may come back whatever was asked.
_ALWAYS = {
    400: error("The request is no HTTP, or its headers are too long."),
    403: error("Another site's page asked."),
    421: error("The Host header names another machine."),
    503: error("There are too many connections."),
}
_NO_TOKEN = error("The token is missing, or another.")


def document(endpoints: Sequence[Endpoint], *, version: str, token: bool) -> dict[str, Any]:
    """The document.

    Args:
        endpoints: The table.
        version: Of edgert.
        token: Whether one is needed.
    """
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        if one.documented:
            path = paths.setdefault(one.path, {})
            path[one.method.lower()] = _operation(one, token=token)
    _, schemas = msgspec.json.schema_components(_RECORDS, ref_template=_PLACE)
    components: dict[str, Any] = {"schemas": _portable(schemas)}
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "edgert",
            "version": version,
            "description": "A daemon that serves streams with a family of engines. Quantities "
            "are SI, their unit is in the name. An absent figure was not read; it is not zero.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "edgert"},
        }
        described["security"] = [{"token": []}, {"cookie": []}]
    return described


def _operation(endpoint: Endpoint, *, token: bool) -> dict[str, Any]:
    answers = {**_ALWAYS, **endpoint.answers}
    if token and not endpoint.open:
        answers[401] = _NO_TOKEN
    if endpoint.method in ("POST", "PATCH") and 415 not in answers:
        raise ValueError(f"{endpoint.path} changes something and refuses no content type")
    operation: dict[str, Any] = {
        "summary": endpoint.text,
        "operationId": f"{endpoint.method} {endpoint.path}".lower(),
        "responses": {str(status): _answer(answers[status]) for status in sorted(answers)},
    }
    if endpoint.parameters:
        operation["parameters"] = [
            {
                "name": one.name,
                "in": one.place,
                "required": one.place == "path",
                "description": one.text,
                "schema": one.schema,
            }
            for one in endpoint.parameters
        ]
    if endpoint.takes:
        operation["requestBody"] = {
            "required": endpoint.path != "/v1/reload",
            "content": {kind: _content(kind, record) for kind, record in endpoint.takes},
        }
    if endpoint.open:
        operation["security"] = []
    return operation


def _answer(content: Content) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": content.text}
    if content.kind:
        answer["content"] = {
            kind: _content(kind, record)
            for kind, record in ((content.kind, content.record), *content.also)
        }
    return answer


def _content(kind: str, record: Any) -> dict[str, Any]:
    if record is None:
        text = kind.startswith("text/")
        return {"schema": {"type": "string"}} if text else {"schema": {}}
    [schema], _ = msgspec.json.schema_components((record,), ref_template=_PLACE)
    shown = _EXAMPLES.get(record)
    content: dict[str, Any] = {"schema": schema}
    if shown is not None:
        content["example"] = msgspec.to_builtins(shown)
    return content


def _portable(schema: Any) -> Any:
    r"""Patterns as all JSON Schema tools read them: Python's \Z is their $."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$")
            if key == "pattern" and isinstance(value, str)
            else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(one) for one in schema] if isinstance(schema, list) else schema


_EXAMPLES: dict[Any, Any] = {
    ErrorLine: ErrorLine(
        error="change limits at power_w: expected float > 0.0, got -3. Correct the value."
    ),
    Health: Health(ok=True),
    Done: Done(done="settings read again; the engines are the same"),
    Login: Login(token="the first line of daemon.token_file"),
    WantedChange: {"power_w": 9.5, "temp_c": None, "pinned": "c630"},
    Wanted: Wanted(limits=Limits(deadline_s=0.05, power_w=9.5), pinned="c630"),
    PictureResult: PictureResult(
        configuration="c630",
        reason="c630 is pinned by the operator",
        latency_s=0.0312,
        wait_s=0.0041,
        task="segmentation",
        width=960,
        height=720,
        labels={"road": 0.41, "building": 0.34, "sky": 0.25},
    ),
}
_EXAMPLES[list[Event]] = [event_example()]
