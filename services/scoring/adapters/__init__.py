"""The outside world of scoring: face and subject regions."""
