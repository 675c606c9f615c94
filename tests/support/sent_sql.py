"""SQL that people send in place of names, filters and fields, and the secret that it looks for."""

from __future__ import annotations

JOB, RUN = "Background Job", "Background Job Run"
SECRET = "a secret of Alpha"
"""In the parameters of a job, and in its file."""
READ_ALL = "max((select group_concat(input_parameters) from `tabBackground Job`)) as x"
"""A field that is a query."""
EVERYTHING = ["1=1 or 1=1"]
"""A filter that is true of every row, if it is taken for SQL."""
READ_BY_ERROR = f"(select extractvalue(1, y) from (select concat(0x7e, input_parameters) y from `tab{JOB}` limit 1) z)"
"""An expression whose error tells the parameters of a job."""
