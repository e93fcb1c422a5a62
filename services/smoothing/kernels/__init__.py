"""Numbers from the frames around a cut, and frames from numbers: pure functions on arrays, no files, no state.

Pictures are uint8 RGB (height, width, 3) or uint8 luma (height, width) unless a docstring says otherwise. A step is
numbered by the frame it leads to: step s goes from frame s - 1 to frame s. Flow is backward: the frame at (x, y) shows
what the other frame shows at (x, y) + flow.
"""
