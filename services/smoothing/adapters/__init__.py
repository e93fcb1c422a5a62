"""The outside world: clips on disk."""
