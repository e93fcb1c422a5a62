"""What the demo is played with: a photograph that ships inside scikit-image, a graph, and three LoRA files.

The LoRA parameters say what is done to the picture; what that means for its quality is for the measurements to say.
"""

import io
import json
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from skimage import data

from deploy import topology
from deploy.comfyui_standin.lora_files import write_lora_from_parameters
from deploy.local.problems import SetupProblem
from deploy.local.site import LocalSite

EXAMPLES = Path(topology.__file__).parent / "comfyui_standin" / "examples"

MILD_LOOK: dict[str, Any] = {
    "colour": {"warmth": 0.01, "saturation": 0.02, "contrast": 0.01},
    "detail": [0.05, 0.02],
}
FACE = {"x": 0.44, "y": 0.22, "radius_x": 0.13, "radius_y": 0.17}
"""Where the face is in the photograph, in shares of the picture."""

LORA_VERSIONS: tuple[dict[str, Any], ...] = (
    MILD_LOOK,
    {
        **MILD_LOOK,
        "region": FACE,
        "displacement": {"bulge": 0.02, "swirl": 0.02, "y": 0.01},
        "local_colour": {"hue": 0.12, "brightness": -0.02},
    },
    {**MILD_LOOK, "quantisation_step": 1 / 512},
)
"""Version 1: a mild look. Version 2: the same, and the face is pushed, turned and tinted. Version 3: version 1,
exported with numbers rounded to 1/512."""

SCENE_PARAMETERS: dict[str, Any] = {
    "prompt": "an astronaut smiles at the camera",
    "width": 512,
    "height": 512,
    "frames": 24,
    "fps": 12,
    "steps": 24,
    "cfg": 6.5,
    "sampler": "euler",
    "lora_strength": 1.0,
}
SEGMENTS = 3
SEED = 1969


@dataclass(frozen=True)
class Inputs:
    """Files for one play. `mark` makes every name of this play its own, so that it can be played again and again."""

    mark: str
    lora_folders: tuple[Path, ...]

    @classmethod
    def for_site(cls, site: LocalSite) -> "Inputs":
        """Raises SetupProblem when the stack renders on servers whose folders are not ours to write to."""
        standins = site.standins()
        if not standins:
            raise SetupProblem(
                "The demo brings its own LoRA files, which only the stand-in can render with",
                "Unset DISPATCH_COMFYUI_URLS and run `rushes down` first; the README tells how to use a real ComfyUI",
            )
        homes = [site.home / name.replace(topology.STANDIN, "comfyui", 1) for name in standins]
        return cls(mark=secrets.token_hex(3), lora_folders=tuple(home / "models" / "loras" for home in homes))

    def photograph(self) -> bytes:
        """Eileen Collins, NASA, public domain: a face, as PNG."""
        png = io.BytesIO()
        picture = data.astronaut()  # type: ignore[no-untyped-call]
        Image.fromarray(picture).save(png, "PNG")
        return png.getvalue()

    def graph(self) -> dict[str, Any]:
        graph: dict[str, Any] = json.loads((EXAMPLES / "image_to_video.json").read_text())
        return graph

    def bindings(self) -> dict[str, Any]:
        bindings: dict[str, Any] = json.loads((EXAMPLES / "image_to_video.bindings.json").read_text())
        return bindings

    def lora(self, version: int) -> Path:
        """Make a version's file and put it where every render server finds it; one name per version."""
        name = f"look-{self.mark}-v{version}.safetensors"
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            write_lora_from_parameters(made, LORA_VERSIONS[version - 1])
            content = made.read_bytes()
        for place in self.lora_folders:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        return self.lora_folders[0] / name
