"""A check of an installation for graphics cards; the image for GPUs is not built where it fails.

    python -m deploy.gpu_image

Two distributions write the folder `onnxruntime`, one for processors and one for CUDA, and several write `cv2`. pip sees
no conflict: the one installed last wins, and sessions then run on the processor without an error. So exactly one
distribution may own each folder, and onnxruntime must have been built with CUDA. Whether a session gets a card is known
only where there is one: `rushes identity --status` and the scoring service's `/readyz` say it there.
"""

import sys
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, distributions

OWNERS = {"onnxruntime": "onnxruntime-gpu", "cv2": "opencv-python-headless"}
"""Folder to the one distribution that may write it."""

CUDA = "CUDAExecutionProvider"


def problems(installed: Iterable[Distribution], providers: Callable[[], list[str]]) -> list[str]:
    """What is wrong, in words; `providers` are those that onnxruntime was built with."""
    everything = list(installed)
    found = []
    for folder, wanted in OWNERS.items():
        owners = sorted({each.metadata["Name"] for each in everything if _writes(each, folder)})
        if owners != [wanted]:
            found.append(
                f"the folder {folder} must be {wanted}'s alone, and belongs to {', '.join(owners) or 'nobody'}"
            )
    available = providers()
    if CUDA not in available:
        found.append(f"onnxruntime was built without CUDA: it has {', '.join(available)}")
    return found


def _writes(installed: Distribution, folder: str) -> bool:
    return any(file.parts[0] == folder for file in installed.files or ())


def _providers() -> list[str]:
    try:
        import onnxruntime
    except ImportError as error:
        return [f"no onnxruntime ({error})"]
    return list(onnxruntime.get_available_providers())


def main() -> int:
    found = problems(distributions(), _providers)
    for problem in found:
        print(f"gpu image: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
