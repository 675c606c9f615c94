"""Recurring jobs: when they are due, and the jobs made for it."""
