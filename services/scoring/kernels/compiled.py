"""Compiling the few loops that array operations are too slow for."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function, *, reorder_sums: bool = False) -> Function:
    """Machine code at the first call, kept on disk for the next process where there is a place for it.

    `reorder_sums` lets additions of floats be regrouped so that they run in parallel lanes; no other rounding changes,
    as equal frames must give exactly 1. Division by zero gives infinity or NaN, as in numpy: a check per pixel would
    keep the loop out of those lanes.

    Compiled functions that call each other belong in one file: what is on disk is thrown away when the file of the
    function that was called changes, and no other is looked at.
    """
    fastmath: bool | set[str] = {"reassoc"} if reorder_sums else False
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function))
    except RuntimeError:  # no folder can be written to, as in a sealed container
        return cast(Function, njit(nogil=True, error_model="numpy", fastmath=fastmath)(function))
