"""Sessions of onnxruntime: on the device that was asked for, and the truth about where they run.

onnxruntime falls back to the processor without an error, so what a session says of itself after loading is the only
evidence. It is part of this service's extra and of no other's; the image for GPUs brings `onnxruntime-gpu` instead.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from services.scoring.domain import Device

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"

SILENT = ("ORT_DISABLE_TELEMETRY", "1")
"""What keeps onnxruntime's published wheels from reporting to their maker, which they do unless told before they load
(onnxruntime/Privacy.md)."""


class BackendUnavailable(Exception):
    """The chosen back-end cannot be used here; the message says what is missing."""


def session(path: Path, device: Device) -> Any:
    """Raises BackendUnavailable."""
    runtime = onnxruntime_module()
    return runtime.InferenceSession(str(path), sess_options=session_options(), providers=wanted_providers(device))


def session_options() -> Any:
    """One thread: as many clips are measured at once as there are cores."""
    options = onnxruntime_module().SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def wanted_providers(device: Device) -> list[Any]:
    """What to ask a session for, best first; what this installation does not have is left out.

    TF32 is off: with its 10 bits of mantissa a graphics card would measure other numbers than a processor.
    """
    runtime = onnxruntime_module()
    wanted: list[Any] = [CPU_PROVIDER]
    if device is Device.CUDA and CUDA_PROVIDER in runtime.get_available_providers():
        with redirect_stdout(sys.stderr):  # it prints what it does not find
            runtime.preload_dlls()
        wanted.insert(0, (CUDA_PROVIDER, {"use_tf32": "0"}))
    return wanted


def fallback(providers: Mapping[str, list[str]], device: Device) -> str | None:
    """Why the models do not run where they were asked to; None if they do."""
    if device is not Device.CUDA:
        return None
    if not providers:
        return "CUDA was asked for, but this back-end has no model: set SCORING_IDENTITY_DEVICE=cpu"
    fallen = sorted(name for name, each in providers.items() if CUDA_PROVIDER not in each)
    if not fallen:
        return None
    models = " and the ".join(fallen)
    return (
        f"CUDA was asked for, but the session of the {models} runs on {providers[fallen[0]][0]}: install "
        "onnxruntime-gpu without onnxruntime beside it, and the CUDA and cuDNN libraries that it needs; see that the "
        "driver and its card are seen here (nvidia-smi); or set SCORING_IDENTITY_DEVICE=cpu"
    )


def onnxruntime_module() -> Any:
    """Whatever else imports onnxruntime must come after this. Raises BackendUnavailable."""
    os.environ.setdefault(*SILENT)
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendUnavailable("onnxruntime is not installed; it comes with the extra 'scoring'") from error
    return onnxruntime
