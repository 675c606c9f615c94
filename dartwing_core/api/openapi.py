"""The REST API as an OpenAPI 3.1 description, made from the endpoints' models and docstrings.

`./dev api` renews the committed copy, docs/openapi.json. A test checks that copy.
"""

from __future__ import annotations

import inspect
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from dartwing_core import __version__

from .answers import DuplicateError, Error, RateError
from .endpoints import ENDPOINTS, PREFIX, REPEATABLE, Endpoint

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    "400": ("Bad input, or a state that does not allow it", Error),
    "401": ("Not logged in, or a wrong key", Error),
    "403": ("Not permitted", Error),
    "404": ("The job does not exist, or you may not see it", Error),
    "409": ("An equal job exists already", DuplicateError),
    "429": ("Too many requests", RateError),
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
    name: {"type": "apiKey", "in": place, "name": key, **({"description": text} if text else {})}
    for name, place, key, text in (
        ("token", "header", "Authorization", "token API_KEY:API_SECRET of a User"),
        ("session", "cookie", "sid", ""),
        ("csrf", "header", "X-Frappe-CSRF-Token", "With a session, for every POST"),
    )
}


class Schema(GenerateJsonSchema):
    """Schemas without what only some versions of pydantic add, and without titles of fields and defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """No: the name of a field says it."""
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        """An object, without `additionalProperties: true` and rules for its keys."""
        made = super().dict_schema(schema)
        return {key: value for key, value in made.items() if key != "propertyNames" and value is not True}

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """A schema with a default other than null."""
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value is not None}

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """A schema or null, described in front."""
        made = super().nullable_schema(schema)
        text = made["anyOf"][0].pop("description", None) if "anyOf" in made else None
        return {**made, "description": text} if text else made


def describe() -> dict[str, Any]:
    """The description, as an object."""
    endpoints = dict(sorted(ENDPOINTS.items()))
    shown: set[Any] = {item.answer for item in endpoints.values()} - {dict, bytes} | {Error, DuplicateError, RateError}
    models: list[tuple[Any, Any]] = [(model, "serialization") for model in shown] + [
        (item.arguments, "validation") for item in endpoints.values()
    ]
    _references, made = models_json_schema(models, ref_template=REFERENCE, schema_generator=Schema)
    schemas = made["$defs"]
    taken = {name: schemas.pop(item.arguments.__name__) for name, item in endpoints.items()}
    operations = {name: _operation(name, item, taken[name]) for name, item in endpoints.items()}
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
            f"/api/method/{PREFIX}{name}": {item.method.lower(): operations[name]} for name, item in endpoints.items()
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


def _operation(name: str, item: Endpoint, arguments: dict[str, Any]) -> dict[str, Any]:
    for_python_too = inspect.cleandoc(item.function.__doc__ or name)
    summary, _, more = for_python_too.partition("Raises ")[0].partition("\n\n")
    summary = " ".join(summary.partition(" Returns ")[0].split())
    operation: dict[str, Any] = {"operationId": name, "summary": summary}
    if more:
        operation["description"] = " ".join(more.split())
    properties, required = arguments.get("properties", {}), arguments.get("required", [])
    parameters = [KEY] if name == "submit_job" else []
    if item.method == "GET":
        parameters += [_query(argument, schema, argument in required) for argument, schema in properties.items()]
    else:
        operation["requestBody"] = _body(properties, required)
    if parameters or item.method == "GET":
        operation["parameters"] = parameters
    codes = [code for code in ERRORS if code != "409" or name in DUPLICATES]
    operation["responses"] = {
        "200": {"description": "Done", "content": _content(item)},
        **{code: {"$ref": f"#/components/responses/{code}"} for code in codes},
    }
    return operation


def _content(item: Endpoint) -> dict[str, Any]:
    if item.answer is bytes:
        return {"application/octet-stream": {}}
    if item.answer is dict:
        return {"application/json": {"schema": {"type": "object"}}}
    message = {"message": _reference(item.answer)}
    return {"application/json": {"schema": {"type": "object", "properties": message, "required": ["message"]}}}


def _reference(model: Any) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _query(name: str, schema: dict[str, Any], is_required: bool) -> dict[str, Any]:
    described = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": "query", "required": is_required, **described, "schema": schema}


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    objects = {name: {"contentType": "application/json"} for name, part in properties.items() if _is_json(part)}
    form = {"schema": schema, "encoding": objects} if objects else {"schema": schema}
    content = {"application/json": {"schema": schema}, "application/x-www-form-urlencoded": form}
    return {"required": bool(required), "content": content}


def _is_json(schema: dict[str, Any]) -> bool:
    """Whether an argument's text in a form field is JSON."""
    kinds = {part.get("type", "object") for part in schema.get("anyOf", [schema])}
    return bool(kinds & {"array", "object"}) and "string" not in kinds
