"""Figures about many jobs, and alerts to administrators."""
