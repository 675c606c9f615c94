"""Handlers: how they are declared and found, their parameters and secrets, and the Job Types made from them."""
