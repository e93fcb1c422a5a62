"""Video in and out: what is in a clip, its frames one at a time, a digest that ignores the container, and encoding.

`decode` reads, `encode` writes, `webp` turns animated WebP into a clip. All hold a handful of frames at a
time, whatever the clip's length.
"""
