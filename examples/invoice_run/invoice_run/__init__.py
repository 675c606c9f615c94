"""An example app: the invoices of a month are printed by background jobs."""

__version__ = "1.0.0"
