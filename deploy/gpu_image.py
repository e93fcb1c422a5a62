"""A check of an installation for graphics cards; the image for GPUs is not built where it fails.

    python -m deploy.gpu_image

Two distributions write the folder `onnxruntime`, one for processors and one for CUDA, and several write `cv2`. pip sees
no conflict: the one installed last wins, and sessions then run on the processor without an error. So exactly one
distribution may own each folder, and onnxruntime must have been built with CUDA. A library of CUDA
that is missing is met with the same silence, so every one must be found, except the driver's, which is the host's.
Whether a session gets a card is known only where there is one: `rushes identity --status` and the scoring service's
`/readyz` say it there.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWNERS = {"onnxruntime": "onnxruntime-gpu", "cv2": "opencv-python-headless"}
"""Folder to the one distribution that may write it."""

CUDA = "CUDAExecutionProvider"

DRIVER = "libcuda.so.1"
"""Mounted into the container by the container toolkit; an image that brought its own would not fit the host's card."""

OPENED_LATER = "libcudnn.so.9"
"""onnxruntime opens it when a model needs it: nothing is linked with it, so the linker does not say that it is
missing."""


def problems(
    installed: Iterable[Distribution], providers: Callable[[], list[str]], libraries: Callable[[], list[str]]
) -> list[str]:
    """What is wrong, in words; `providers` are those that onnxruntime was built with, `libraries` what they lack."""
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
        return [*found, f"onnxruntime was built without CUDA: it has {', '.join(available)}"]
    return [*found, *libraries()]


def lacking(needed: Mapping[str, Iterable[str]], loaded: Callable[[str], bool]) -> list[str]:
    """What is wrong with the libraries; `needed` maps each to those that the linker does not find by itself, and
    `loaded` says of a name whether it is in the process already, where the linker then finds it."""
    users: dict[str, list[str]] = {OPENED_LATER: ["onnxruntime"]}
    for user, names in needed.items():
        for name in names:
            users.setdefault(name, []).append(user)
    return [
        f"{name} is missing, needed by {', '.join(sorted(users[name]))}"
        for name in sorted(users)
        if name != DRIVER and not loaded(name)
    ]


def not_found(told: str) -> list[str]:
    """Names from what `ldd` prints."""
    return [line.split(" => ")[0].strip() for line in told.splitlines() if line.endswith("=> not found")]


def _writes(installed: Distribution, folder: str) -> bool:
    return any(file.parts[0] == folder for file in installed.files or ())


def _providers() -> list[str]:
    try:
        import onnxruntime
    except ImportError as error:
        return [f"no onnxruntime ({error})"]
    return list(onnxruntime.get_available_providers())


def _libraries() -> list[str]:
    """Loads what the back-ends load before they open a session, and asks the linker what is still missing."""
    import onnxruntime

    onnxruntime.preload_dlls()
    package = Path(onnxruntime.__file__).parent
    provider = package / "capi" / "libonnxruntime_providers_cuda.so"
    files = [provider, *sorted((package.parent / "nvidia").rglob("*.so*"))]
    asked = {file.name: subprocess.run(["ldd", file], capture_output=True, text=True, timeout=60) for file in files}
    damaged = [f"{name} is damaged: {answer.stderr.strip()}" for name, answer in asked.items() if answer.returncode]
    return damaged + lacking({name: not_found(answer.stdout) for name, answer in asked.items()}, _is_loaded)


def _is_loaded(name: str) -> bool:
    try:
        ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    return True


def main() -> int:
    found = problems(distributions(), _providers, _libraries)
    for problem in found:
        print(f"gpu image: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
