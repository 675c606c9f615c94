"""Whose turn it is, decided once: by the worker, at the moment it is free."""
