"""Figures about many jobs, and what tells administrators of them."""
