"""What callers may do with many jobs, batches, schedules and circuits."""
