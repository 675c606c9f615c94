"""All knowledge of RQ and of the queue's Redis."""
