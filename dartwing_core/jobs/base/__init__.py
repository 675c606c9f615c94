"""Settings, time, ids, JSON and text: what every folder needs and what depends on none."""
