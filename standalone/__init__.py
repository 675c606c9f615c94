"""A Frappe site without a bench, for development, demo and tests only. `dartwing_core` never imports it.

`./dev` is the way in. The parts: `environment` (the virtual environment), `programs` and `services` (MariaDB, Redis),
`site` (built once, then restored from a cache), `processes` (nothing outlives the command that started it),
`launcher` (a running site as a Python object), `commands` (what `./dev` offers) and `alias` (`import frappe`).
"""
