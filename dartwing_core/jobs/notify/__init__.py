"""Events and notices to people, at the moment of a change."""
