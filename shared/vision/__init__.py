"""Numeric kernels that more than one service needs: pure functions on arrays."""
