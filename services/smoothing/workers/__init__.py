"""The slow things: decode, measure, repair, encode. Files in, plain data and files out."""
