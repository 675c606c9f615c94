"""All that is known of RQ and of the queue's Redis."""
