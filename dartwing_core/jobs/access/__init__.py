"""Permissions and visibility: the one place that decides them."""
