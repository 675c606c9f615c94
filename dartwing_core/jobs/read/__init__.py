"""Reads of jobs for people: only those that the current user may see."""
