"""Answers with the bytes of a job's file."""

from __future__ import annotations

from urllib.parse import quote

from frappe.utils.response import send_private_file
from werkzeug.wrappers import Response

from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.job.job_files import StoredFile


def answer(file: StoredFile) -> Response:
    """The file as Frappe sends private files: by the web server if it has asked for that. Never to be shown in place.

    Browsers ask again before they use their copy: who may read the file can change.
    """
    made = send_private_file(f"files/{job_files.NAME}/{file['path']}")
    made.headers["Content-Type"] = file["type"]
    made.headers.pop("Content-Encoding", None)  # Frappe 16's, for a `.gz`: it would arrive unpacked
    made.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file['name'], safe='')}"
    made.headers["X-Content-Type-Options"] = "nosniff"
    made.headers["Cache-Control"] = "private, no-cache"
    return made
