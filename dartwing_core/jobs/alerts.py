"""Stays at this path: rows of Scheduled Job Type name it."""

from .monitoring.alerts import check_alerts

__all__ = ["check_alerts"]
