"""Sizes, counts, rates and times as they are typed. Each raises ArgumentTypeError for a text that is none."""

import argparse
import re


def size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 832x480")
    return int(found[1]), int(found[2])


def count(text: str) -> int:
    if re.fullmatch(r"[1-9]\d{0,8}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)


def rate(text: str) -> float:
    return _positive(text, most=1000, what="a frame rate")


def seconds(text: str) -> float:
    return _positive(text, most=3600, what="a number of seconds")


def _positive(text: str, *, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number
