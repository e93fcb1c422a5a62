"""smoothing

Decides: whether a seam between two segments can be seen, and whether a repair of it is an improvement.
Hears:   nothing yet: its rooms are used as commands (`python -m services.smoothing`) and as library functions.
Says:    nothing yet.
Owns:    nothing yet.
"""
