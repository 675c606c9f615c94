"""Durable background jobs for the Frappe Framework."""

__version__ = "0.1.0"
