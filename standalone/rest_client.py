"""The Python client of the REST API, examples/rest_client/dartwing_jobs.py, made from its OpenAPI description."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from .site import ROOT

FILE = ROOT / "examples" / "rest_client" / "dartwing_jobs.py"
WIDTH = 120
OWN_FORM = frozenset({"get_openapi"})
"""Calls whose answer is not in `message`."""
BYTES = "application/octet-stream"
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
HEAD = '''\
"""A client of the job engine's REST API, in one file without dependencies: copy it into your project.

    jobs = Client("https://example.com", "API_KEY", "API_SECRET")
    job = jobs.submit_job("echo_job", organization="Acme", parameters={"hello": "world"})
    print(jobs.wait_until_ended(job["job_id"])["status"])

Python 3.11 or newer. `./dev api` makes this file from the endpoints; docs/rest_api.md explains the calls.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Literal, NotRequired, TypedDict

ENDED = ("Completed", "Dead Letter", "Canceled")
"""The statuses that a job keeps, unless somebody retries it."""


class ApiError(Exception):
    """An answer that is an error.

    `status`: HTTP's. `kind`: for programs, such as "not_found" or "rate_limited". `answer`: the whole body.
    `retry_after`: seconds after which the call may succeed, or None.
    """

    def __init__(self, status: int, answer: dict[str, Any]):
        super().__init__(answer.get("message") or f"HTTP {status}")
        self.status, self.answer = status, answer
        self.kind = answer.get("error", "unknown")
        self.retry_after = answer.get("retry_after")


'''
CLIENT = '''

class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key is for the site alone, not for where it may point."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


class Client:
    """Calls as the user of an API key. Raises ApiError, and urllib's URLError if the server can't be reached."""

    def __init__(self, url: str, api_key: str, api_secret: str, timeout: float = 30):
        """`url`: of the site. `timeout`: seconds of a call."""
        self._base, self._timeout = url.rstrip("/") + "BASE", timeout
        self._headers = {"Authorization": f"token {api_key}:{api_secret}", "Accept": "application/json"}

    def wait_until_ended(self, job_id: str, seconds: float = 300) -> "JobStatusAnswer":
        """State, progress and outcome of a job once it has ended, or after so many seconds. Asks again and again."""
        ends_at = time.monotonic() + seconds
        while True:
            left = ends_at - time.monotonic()
            job = self.wait_for_job(job_id, seconds=max(0, min(20, int(left))))
            if job["status"] in ENDED or left <= 20:
                return job

    def _ask(
        self,
        verb: str,
        name: str,
        arguments: dict[str, Any],
        more_headers: dict[str, str | None] | None = None,
        *,
        is_bytes: bool = False,
    ) -> Any:
        given = {key: value for key, value in arguments.items() if value is not None}
        address, body, headers = self._base + name, None, dict(self._headers)
        headers |= {key: value for key, value in (more_headers or {}).items() if value is not None}
        if verb == "GET":
            texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
            address += f"?{urllib.parse.urlencode(texts)}"
        else:
            body, headers["Content-Type"] = json.dumps(given).encode(), "application/json"
        request = urllib.request.Request(address, body, headers, method=verb)
        try:
            with _OPENER.open(request, timeout=self._timeout) as response:
                return response.read() if is_bytes else json.load(response)
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _read(error)) from None
'''
TAIL = """

def _read(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        found = json.load(error)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
"""


def renew(description: Mapping[str, Any]) -> int:
    """Write the file. Returns the number of its calls."""
    FILE.write_text(client(description))
    return len(description["paths"])


def client(description: Mapping[str, Any]) -> str:
    """The source of the client for an OpenAPI description."""
    shapes = [_shape(name, schema) for name, schema in description["components"]["schemas"].items()]
    base = next(iter(description["paths"])).rpartition(".")[0] + "."
    calls = [
        _call(verb.upper(), operation) for path in description["paths"].values() for verb, operation in path.items()
    ]
    return HEAD + "\n\n".join(shapes) + CLIENT.replace("BASE", base) + "".join(calls) + TAIL


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    """A TypedDict."""
    required = set(schema.get("required", ()))
    lines = [f"class {name}(TypedDict):"]
    if text := schema.get("description"):
        lines += [*_docstring(text, "    "), ""]
    for field, part in schema["properties"].items():
        type_of = _type(part)
        lines.append(f"    {field}: {type_of if field in required else f'NotRequired[{type_of}]'}")
    return "\n".join(lines) + "\n"


def _type(schema: Mapping[str, Any]) -> str:
    """The type that stands for a schema."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(part) for part in parts))
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return f"Literal[{', '.join(map(_literal, values))}]"
    match schema.get("type"):
        case "array":
            return f"list[{_type(schema.get('items', {}))}]"
        case "object":
            return f"dict[str, {_type(schema.get('additionalProperties') or {})}]"
        case kind:
            return PLAIN.get(kind or "", "Any")


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _call(verb: str, operation: Mapping[str, Any]) -> str:
    name = operation["operationId"]
    arguments = list(_arguments(operation))
    arguments.sort(key=lambda argument: not argument[2])  # required ones come first
    content = operation["responses"]["200"]["content"]
    is_bytes = BYTES in content
    given = [f"{argument}: {_given(schema, is_required)}" for argument, schema, is_required in arguments]
    headers = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "header"]
    given += [f"{_snake(header)}: str | None = None" for header in headers]
    required = sum(is_required for _name, _schema, is_required in arguments)
    given = [*given[:required], *(["*"] if given[required:] else []), *given[required:]]
    sent = ", ".join(f'"{argument}": {argument}' for argument, _schema, _required in arguments)
    named = ", ".join(f'"{header}": {_snake(header)}' for header in headers)
    extra = (f", {{{named}}}" if headers else "") + (", is_bytes=True" if is_bytes else "")
    asked = f'self._ask("{verb}", "{name}", {{{sent}}}{extra})'
    lines = [
        "",
        f"    def {name}(",
        "        self,",
        *(f"        {one}," for one in given),
        f"    ) -> {'bytes' if is_bytes else _answer(name, content)}:",
    ]
    lines += _docstring(" ".join(filter(None, (operation["summary"], operation.get("description")))), "        ")
    lines.append(f"        return {asked}" + ("" if name in OWN_FORM or is_bytes else '["message"]'))
    return "\n".join(lines) + "\n"


def _answer(name: str, content: Mapping[str, Any]) -> str:
    answer = content["application/json"]["schema"]
    return "dict[str, Any]" if name in OWN_FORM else _type(answer["properties"]["message"])


def _given(schema: Mapping[str, Any], is_required: bool) -> str:
    """Annotation and default of an argument. None is not sent: the server has its own default."""
    found = _type(schema)
    if is_required:
        return found
    return f"{found if 'None' in found.split(' | ') else f'{found} | None'} = None"


def _arguments(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Name and schema of each argument, and whether it is required."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            yield parameter["name"], parameter["schema"], parameter["required"]
    body = operation.get("requestBody")
    schema = body["content"]["application/json"]["schema"] if body else {}
    for name, part in schema.get("properties", {}).items():
        yield name, part, name in schema.get("required", ())


def _snake(header: str) -> str:
    return header.lower().replace("-", "_")


def _docstring(text: str, indent: str) -> list[str]:
    lines = textwrap.wrap(text.replace("\\", "\\\\"), WIDTH - len(indent) - 6)
    if len(lines) == 1:
        return [f'{indent}"""{lines[0]}"""']
    return [f'{indent}"""{lines[0]}', *(indent + line for line in lines[1:]), f'{indent}"""']
