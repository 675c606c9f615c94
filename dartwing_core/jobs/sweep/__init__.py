"""Putting right what was missed: nothing depends on a message that arrived."""
