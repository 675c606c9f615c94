"""A Frappe site without a bench, for development, demo and tests only (see README.md)."""
