"""The rows: all SQL on the engine's tables that is not a report."""
