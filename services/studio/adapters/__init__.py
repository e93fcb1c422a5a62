"""The outside world of the edge: the services behind it, and the sealing of session tokens."""
