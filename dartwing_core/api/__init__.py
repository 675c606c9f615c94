"""The REST API. Whoever imports a module of this package has all endpoints in `registry.ENDPOINTS`."""

from . import jobs as _jobs  # noqa: F401 - registers the endpoints
