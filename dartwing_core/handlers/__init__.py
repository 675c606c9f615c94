"""Job handlers that come with the app."""
