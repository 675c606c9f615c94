"""The rows: SQL on the engine's tables."""
