"""What README and docs print works as printed: Python, curl, JSON and `./dev`, one document after the other."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import frappe
import pytest

from dartwing_core.jobs.testing import run_jobs
from standalone.checks import CHECKS
from standalone.commands import COMMANDS
from tests.support import factory, http, records
from tests.support.jobs import run, submitted
from tests.support.snippet_uses import CUSTOMER, MODULE, USES
from tests.support.snippets import DOCUMENTS, ROOT, Call, Snippet, calls, commands, definitions, job_types, snippets

PLACES = {
    '"Acme"': f'"{factory.ALPHA}"',
    '"Other"': f'"{factory.BETA}"',
    "organization=Acme": "organization=" + factory.ALPHA.replace(" ", "%20"),
}


@pytest.fixture
def app(site, monkeypatch) -> types.ModuleType:
    """The module that the Python snippets of a document are written into; its handlers are registered."""
    module = types.ModuleType(MODULE)
    monkeypatch.setitem(sys.modules, "your_app", types.ModuleType("your_app"))
    for name in (MODULE, "my_jobs"):
        monkeypatch.setitem(sys.modules, name, module)
    named = [*frappe.conf.background_job_handlers, MODULE]
    monkeypatch.setitem(frappe.conf, "background_job_handlers", named)
    monkeypatch.setitem(frappe.conf, "background_job_functions", [f"{MODULE}.*"])
    module.__dict__.update(frappe=frappe, url="https://example.com/orders.csv", pages=3, import_page=[].append)
    return module


@pytest.fixture
def customers(site) -> Iterator[None]:
    """ERPNext's Customer, where there is none: a DocType with an e-mail address."""
    is_ours = frappe.db.get_value("DocType", CUSTOMER, "module") in (None, "Dartwing Core")
    if is_ours:
        fields = ({"fieldname": "email_id", "fieldtype": "Data", "label": "E-mail"},)
        records.make_doctype(CUSTOMER, fields, [records.USER, records.MANAGER])
    yield
    if is_ours:
        records.remove_doctypes(CUSTOMER)


@pytest.fixture
def token(site) -> str:
    """The API key of an admin of Test Alpha."""
    return http.new_token(
        factory.user("reader", factory.ALPHA, roles=("Dartwing User", "Dartwing Admin"), org_role="Admin")
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_snippets_of_a_document_run_in_their_order(document, app, customers, web, token, tmp_path, no_sweeps):
    found = snippets(document)
    for job_type in {name for snippet in found for name in job_types(snippet.text)} - {"nowhere"}:
        if not frappe.db.exists("Job Type", job_type):
            factory.job_type(job_type, deduplication_window=300)
    app.another = submitted("echo_job", n="another")
    reader = Reader(web, token, tmp_path)
    for snippet in found:
        snippet.text = localized(snippet.text)
        {"python": lambda s: write(app, s), "sh": reader.type, "json": check_error, "js": parse, "mermaid": skip}[
            snippet.language
        ](snippet)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_snippet_of_a_document_is_overlooked(document):
    fences = re.findall(r"^\s*(?:```|~~~)", document.read_text(), re.M)
    assert len(fences) == 2 * len(snippets(document))


def localized(text: str) -> str:
    """The same of organizations and Job Types that tests may make and delete."""
    for name in job_types(text):
        if frappe.db.exists("Job Type", f"test_{name}"):
            text = text.replace(f'"{name}"', f'"test_{name}"')
    for printed, ours in PLACES.items():
        text = text.replace(printed, ours)
    return text


def skip(snippet: Snippet) -> None:
    """Diagrams are for people. tests/unit/test_status.py compares the one of the states with the code."""


def parse(snippet: Snippet) -> None:
    """JavaScript is parsed, and knows every name that it uses. It runs in Desk (tests/desk), which needs a bench."""
    if not (oxlint := shutil.which("oxlint", path=str(Path(sys.executable).parent))):
        return  # a genuine bench has none
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "snippet.js").write_text(f"export function it(frm, job_id) {{\n{snippet.text}}}\n")
        command = [
            oxlint,
            "--config",
            ROOT / ".oxlintrc.json",
            "--allow",
            "no-unused-vars",
            "--allow",
            "no-shadow",
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    bundle = (ROOT / "dartwing_core/public/js/dartwing_core.bundle.js").read_text()
    offered = set(re.findall(r"\w+", re.search(r"Object\.assign\((.*?)\);", bundle, re.S)[1]))
    assert set(re.findall(r"dartwing_core\.jobs\.(\w+)\(", snippet.text)) <= offered


# Python


def write(app: types.ModuleType, snippet: Snippet) -> None:
    """Run the snippet in the app's module, or, if it is the inside of a handler, in a job; then use what it defines."""
    tree = ast.parse(snippet.text)
    if any(isinstance(part, ast.Raise) for part in tree.body):
        for part in tree.body:
            assert inside_a_job(app, ast.unparse(part))["error_message"]
        return
    if any(isinstance(part, ast.For) for part in tree.body):
        assert inside_a_job(app, snippet.text)["status"] == "Completed"
        return
    defined = {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}
    unused = {name for name in defined if (snippet.heading, name) not in USES}
    assert not unused, f"nobody uses {unused}: say in USES how somebody would"
    known = set(vars(app))
    exec(compile(tree, snippet.heading, "exec", dont_inherit=True), vars(app))
    frappe.db.commit()
    for name in set(vars(app)) - known:
        if use := USES.get((snippet.heading, name)):
            use(app)


def inside_a_job(app: types.ModuleType, text: str) -> dict[str, Any]:
    """The status of a job whose handler is this text."""
    header = "from dartwing_core.jobs import *\n@job_handler\ndef inside(context):\n"
    exec(header + textwrap.indent(text, "    "), vars(app))
    return run(submitted(factory.job_type("inside", f"{MODULE}.inside")))


# curl


class Reader:
    """Types the shell snippets of a document, with what they need being there."""

    def __init__(self, url: str, token: str, folder: Path):
        self.url, self.token, self.folder = url, token, folder
        self.variables = ""
        settings = [f'header = "Host: {frappe.local.site}"', "silent", "show-error", r'write-out = "\n%{http_code}"']
        (folder / ".curlrc").write_text("\n".join(settings))

    def type(self, snippet: Snippet) -> None:
        for line in commands(snippet.text):
            check_command(line)
        self.variables += definitions(snippet.text)
        if "curl" not in snippet.text:
            return
        http.forget_limits()
        run_jobs()  # those of the snippets above: nothing is in front of what is prepared now
        found = {name: make() for name, make in NAMES.items() if name in snippet.text}
        for call in calls(snippet.text):
            self.make(call, found)

    def make(self, call: Call, found: dict[str, str]) -> None:
        text = self.variables + call.command
        for name, value in found.items():
            text = text.replace(name, value)
        text = text.replace("https://your.site", self.url)
        text = text.replace("KEY:SECRET", self.token)
        environment = {"PATH": "/usr/bin:/bin", "CURL_HOME": str(self.folder)}
        done = subprocess.run(["sh", "-c", text], cwd=self.folder, env=environment, capture_output=True, text=True)
        body, _newline, status = done.stdout.rpartition("\n")
        assert (done.returncode, status) == (0, str(call.status)), f"{text}\n{done.stderr}\n{body}"
        if call.answer:
            missing = call.answer - set(json.loads(body)["message"])
            assert not missing, f"{call.command} does not answer {missing}: {body}"


NOT_RUN = {
    "bench get-app PATH_OR_URL_OF_THIS_REPOSITORY": "needs a bench, and a place to get the app from",
    "bench --site your.site install-app dartwing_core": "the site under test was installed by the same function",
    'bench --site your.site job-engine default-organization "Test Alpha"': "test_default_organization.py runs it",
    "bench create-po-file --app dartwing_core nl": "writes into the repository; Frappe's own command",
    "bench compile-po-to-mo --app dartwing_core": "writes into the bench; Frappe's own command",
}
"""The commands that are not typed here, and why. Those of `./dev` and of benchmarks run for minutes: what they name is
compared with what there is."""


def check_command(line: str) -> None:
    """Whether there is what this command names."""
    program, *words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)] or [""]
    if program in ("", "curl") or line in NOT_RUN:
        return
    if program == "python3":
        assert (ROOT / words[0]).is_file(), line
        return
    assert (program, words[0] in (*COMMANDS, "clean")) == ("./dev", True), f"neither run nor known: {line}"
    if words[0] == "bench":
        assert (ROOT / f"benchmarks/{words[1]}.py").is_file(), line
    if words[0] == "lint":
        assert set(words[1:]) <= set(CHECKS), line
    if words[0] == "test":
        assert all((ROOT / word).exists() for word in words[1:] if word.startswith("tests/")), line


def check_error(snippet: Snippet) -> None:
    assert set(json.loads(snippet.text)) == {"error", "message", "exc_type", "_server_messages"}


def completed() -> str:
    made = submitted("echo_job", n=frappe.generate_hash())
    assert run(made)["status"] == "Completed"
    return made.name


NAMES = {"JOB-1K11…": completed}
"""What stands for something in the examples, and what makes it."""
