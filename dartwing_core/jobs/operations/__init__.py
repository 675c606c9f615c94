"""Operations on many jobs, batches, schedules and circuits."""
