"""Leased work outside transactions: measuring clips."""
