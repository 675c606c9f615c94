"""The REST API as an OpenAPI 3.1 description, made from the endpoints' type hints and docstrings.

`./dev api` renews the committed copy, docs/openapi.json. A test checks that copy.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

from werkzeug.wrappers import Response

from dartwing_core import __version__

from .arguments import is_required
from .registry import ENDPOINTS, Endpoint
from .schemas import errors

BASE = "/api/method/dartwing_core.api.jobs."
REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    "400": ("Bad input, or a state that does not allow it", errors.Error),
    "401": ("Not logged in, or a wrong key", errors.Error),
    "403": ("Not permitted", errors.Error),
    "404": ("The job does not exist, or you may not see it", errors.Error),
    "409": ("An equal job exists already", errors.DuplicateError),
    "429": ("Too many requests", errors.RateError),
    "503": ("Busy; try again", errors.Error),
}
DUPLICATES = ("submit_job", "submit_jobs", "submit_batch")
BYTES = "application/octet-stream"
"""Marks the return type of an endpoint that answers with the bytes of a file."""
OBJECTS = ("parameters", "jobs", "on_complete", "on_success", "on_failure")


def describe() -> dict[str, Any]:
    """The description, as an object."""
    components: dict[str, Any] = {}
    paths = {BASE + name: {_verb(item): _operation(name, item, components)} for name, item in _sorted()}
    responses = {code: _error_response(*error, components) for code, error in ERRORS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dartwing_core jobs",
            "version": __version__,
            "description": "Background jobs of a Frappe site. Answers are in `message`, times ISO 8601 with offset.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": [], "csrf": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "token API_KEY:API_SECRET of a User",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Frappe-CSRF-Token",
                    "description": "With a session, for every POST",
                },
            },
            "responses": responses,
            "schemas": dict(sorted(components.items())),
        },
    }


def _sorted() -> list[tuple[str, Endpoint]]:
    return sorted(ENDPOINTS.items())


def _verb(item: Endpoint) -> str:
    return item.method.lower()


def _operation(name: str, item: Endpoint, components: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(item.function, include_extras=True)
    summary, _, more = inspect.cleandoc(item.function.__doc__ or name).partition("\n\n")
    operation: dict[str, Any] = {"operationId": name, "summary": " ".join(summary.split())}
    if more:
        operation["description"] = " ".join(more.split())
    parameters = inspect.signature(item.function).parameters.values()
    if item.method == "GET":
        operation["parameters"] = [_query(parameter, hints[parameter.name], components) for parameter in parameters]
    elif parameters:
        operation["requestBody"] = _body(list(parameters), hints, components)
    if item.headers:
        operation["parameters"] = [*operation.get("parameters", ()), *map(_header, item.headers.items())]
    codes = [code for code in ERRORS if code != "409" or name in DUPLICATES]
    operation["responses"] = {
        "200": {"description": "Done", "content": _content(hints["return"], components)},
        **{code: {"$ref": f"#/components/responses/{code}"} for code in codes},
    }
    return operation


def _content(hint: Any, components: dict[str, Any]) -> dict[str, Any]:
    if BYTES in getattr(hint, "__metadata__", ()):
        return {BYTES: {}}
    message = _schema(_answered(hint), components)
    answer = {"type": "object", "properties": {"message": message}, "required": ["message"]}
    return {"application/json": {"schema": answer}}


def _answered(hint: Any) -> Any:
    """The type of an answer. An endpoint that makes the whole response answers an object."""
    return dict[str, Any] if hint is Response else hint


def _query(parameter: inspect.Parameter, hint: Any, components: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": is_required(parameter),
        **_description(hint),
        "schema": _with_default(parameter, _schema(hint, components)),
    }


def _header(header: tuple[str, str]) -> dict[str, Any]:
    name, text = header
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def _body(parameters: list[inspect.Parameter], hints: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    properties = {
        item.name: {**_with_default(item, _schema(hints[item.name], components)), **_description(hints[item.name])}
        for item in parameters
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = [item.name for item in parameters if is_required(item)]
    if required:
        schema["required"] = required
    objects = {name: {"contentType": "application/json"} for name in OBJECTS if name in properties}
    form = {"schema": schema, "encoding": objects} if objects else {"schema": schema}
    content = {"application/json": {"schema": schema}, "application/x-www-form-urlencoded": form}
    return {"required": bool(required), "content": content}


def _with_default(parameter: inspect.Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    return schema if parameter.default is None else {**schema, "default": parameter.default}


def _description(hint: Any) -> dict[str, str]:
    for part in (hint, *typing.get_args(hint)):
        texts = [text for text in getattr(part, "__metadata__", ()) if isinstance(text, str)]
        if texts:
            return {"description": texts[0]}
    return {}


def _error_response(text: str, shape: Any, components: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _schema(shape, components)}}}


def _schema(hint: Any, components: dict[str, Any]) -> dict[str, Any]:
    from pydantic import TypeAdapter  # slow to import, and needed only here

    made = _plain(TypeAdapter(hint).json_schema(ref_template=REFERENCE, mode="serialization"))
    components.update(made.pop("$defs", {}))
    if "properties" not in made:
        return made
    components[hint.__name__] = made
    return {"$ref": REFERENCE.format(model=hint.__name__)}


def _plain(schema: Any) -> Any:
    """The schema without parts that only some versions of pydantic add, so that every site serves one description."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "propertyNames"}
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]
    return {key: _plain(value) for key, value in kept.items()}
