"""The outside world: the image decoder, and the file that hands the first token over."""
