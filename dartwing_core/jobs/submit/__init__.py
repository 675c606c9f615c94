"""From a request to a row: checks, deduplication, quotas, dependencies."""
