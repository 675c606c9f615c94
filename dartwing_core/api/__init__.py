"""The REST API. An import of any module of this package fills `endpoints.ENDPOINTS` with all endpoints."""

from . import jobs as _jobs  # noqa: F401 - registers the endpoints
