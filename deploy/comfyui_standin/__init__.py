"""A stand-in for a ComfyUI server: the same HTTP and WebSocket API, real MP4 files, no neural network.

It exists so that Rushes can be tried, tested and benchmarked on a machine without a GPU. See README.md for what it
is, what it is not, and the faults it makes on demand.
"""
