"""The REST API as an OpenAPI 3.1 description, made from the endpoints' models and docstrings.

`./dev api` renews the committed copy, docs/openapi.json. A test checks that copy.
"""

from __future__ import annotations

import inspect
from typing import Any

from pydantic.json_schema import models_json_schema

from dartwing_core import __version__

from .answers import DuplicateError, Error, RateError
from .endpoints import ENDPOINTS, PREFIX, REPEATABLE, Endpoint

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    "400": ("Bad input, or a state that does not allow it", Error),
    "401": ("Not logged in, or a wrong key", Error),
    "403": ("Not permitted", Error),
    "404": ("The job does not exist, or you may not see it", Error),
    "409": ("An equal job exists already. If you may not see it, its id and status are null", DuplicateError),
    "429": ("Too many requests. `retry_after`: seconds, as in the header Retry-After", RateError),
    "503": ("Busy; try again", Error),
}
KEY = {
    "name": REPEATABLE,
    "in": "header",
    "required": False,
    "description": "A key of this request, for a client that may repeat it",
    "schema": {"type": "string"},
}
DUPLICATES = ("submit_job", "submit_jobs", "submit_batch")
SECURITY = {
    "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "token API_KEY:API_SECRET"},
    "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "csrf": {"type": "apiKey", "in": "header", "name": "X-Frappe-CSRF-Token", "description": "For POST"},
}
LEFT_OUT = [("default", None), ("additionalProperties", True), ("enum", [""])]


def describe() -> dict[str, Any]:
    """The description, as an object."""
    endpoints = dict(sorted(ENDPOINTS.items()))
    shown: set[Any] = {item.answer for item in endpoints.values()} - {dict, bytes} | {Error, DuplicateError, RateError}
    models: list[tuple[Any, Any]] = [(model, "serialization") for model in shown]
    models += [(item.arguments, "validation") for item in endpoints.values()]
    schemas = _plain(models_json_schema(models, ref_template=REFERENCE)[1])["$defs"]
    arguments = {name: schemas.pop(item.arguments.__name__) for name, item in endpoints.items()}
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
        "paths": {
            f"/api/method/{PREFIX}{name}": {item.method.lower(): _operation(name, item, arguments[name])}
            for name, item in endpoints.items()
        },
        "components": {
            "securitySchemes": SECURITY,
            "responses": {
                code: {"description": text, "content": {"application/json": {"schema": _reference(model)}}}
                for code, (text, model) in ERRORS.items()
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _plain(schema: Any) -> Any:
    """A schema without titles of fields, null defaults, and what only some versions of pydantic add."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _plain(part) for name, part in schema.items() if (name, part) not in LEFT_OUT}
    made.pop("propertyNames", None)
    if isinstance(made.get("title"), str) and "properties" not in made:
        del made["title"]
    if "anyOf" in made:
        if text := made["anyOf"][0].pop("description", None):
            made["description"] = text
        made["anyOf"] = [one for part in made["anyOf"] for one in part.get("anyOf") or part.get("allOf") or [part]]
    return made


def _operation(name: str, item: Endpoint, arguments: dict[str, Any]) -> dict[str, Any]:
    for_python_too = inspect.cleandoc(item.function.__doc__ or name)
    summary, _, more = for_python_too.partition("Raises ")[0].partition("\n\n")
    operation: dict[str, Any] = {"operationId": name, "summary": " ".join(summary.partition(" Returns ")[0].split())}
    if more:
        operation["description"] = " ".join(more.split())
    properties, required = arguments.get("properties", {}), arguments.get("required", [])
    if item.method == "GET":
        operation["parameters"] = [
            _query(argument, schema, argument in required) for argument, schema in properties.items()
        ]
    else:
        operation["requestBody"] = _body(properties, required)
    if name == "submit_job":
        operation["parameters"] = [KEY]
    codes = [code for code in ERRORS if code != "409" or name in DUPLICATES]
    operation["responses"] = {
        "200": {"description": "Done", "content": _content(item.answer)},
        **{code: {"$ref": f"#/components/responses/{code}"} for code in codes},
    }
    return operation


def _content(answer: Any) -> dict[str, Any]:
    if answer is bytes:
        return {"application/octet-stream": {}}
    schema: dict[str, Any] = {"type": "object"}
    if answer is not dict:
        schema |= {"properties": {"message": _reference(answer)}, "required": ["message"]}
    return {"application/json": {"schema": schema}}


def _reference(model: Any) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _query(name: str, schema: dict[str, Any], is_required: bool) -> dict[str, Any]:
    described = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": "query", "required": is_required, **described, "schema": schema}


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    objects = {name: {"contentType": "application/json"} for name, part in properties.items() if _is_json(part)}
    form = {"schema": schema} | ({"encoding": objects} if objects else {})
    content = {"application/json": {"schema": schema}, "application/x-www-form-urlencoded": form}
    return {"required": bool(required), "content": content}


def _is_json(schema: dict[str, Any]) -> bool:
    """Whether an argument's text in a form field is JSON."""
    kinds = {part.get("type", "object") for part in schema.get("anyOf", [schema])}
    return bool(kinds & {"array", "object"}) and "string" not in kinds
