"""Causes and consequences of a job's end."""
