"""Numbers from pixels: pure functions on arrays, no files, no state. One module per question.

Pictures are uint8 RGB (height, width, 3) or uint8 luma (height, width) unless a docstring says otherwise. Regions are
(x, y, width, height) in pixels of the picture passed in.
"""
