"""The programs dispatch talks to that are not ours: the render servers."""
