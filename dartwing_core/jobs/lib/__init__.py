"""Settings, time, ids, JSON and text. Every folder uses them, and they depend on none."""
