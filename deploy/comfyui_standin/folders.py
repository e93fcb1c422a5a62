"""The server's folders, and the rules by which a name in a request becomes a file in one of them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

SAVED_NAME = re.compile(r"^(?P<prefix>.*)_(?P<counter>\d+)_\.\w+$")


class OutsideFolder(Exception):
    """A name that leads out of the folder it should stay in."""


@dataclass(frozen=True)
class Folders:
    """Everything below one base directory."""

    base: Path

    def of_type(self, kind: str) -> Path | None:
        """`input`, `output` or `temp`; None for anything else."""
        return self.base / kind if kind in ("input", "output", "temp") else None

    def prepare(self) -> None:
        """Make what is missing; the temp folder starts empty."""
        for name in ("input", "output", "temp", "models/loras", "models/checkpoints"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        for left in sorted((self.base / "temp").rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() else left.unlink()

    def models(self, folder: str) -> list[str]:
        """File names in `models/<folder>`, subfolders included, as object_info and the loaders know them."""
        root = self.base / "models" / folder
        return sorted(str(path.relative_to(root)) for path in root.rglob("*.safetensors"))

    def model_path(self, folder: str, name: str) -> Path:
        """The file of a model name; raises FileNotFoundError when there is none."""
        path = inside(self.base / "models" / folder, name)
        if not path.is_file():
            raise FileNotFoundError(f"Model in folder '{folder}' with filename '{name}' not found.")
        return path

    def input_images(self) -> list[str]:
        """Files directly in the input folder, as LoadImage offers them."""
        return sorted(path.name for path in (self.base / "input").iterdir() if path.is_file())

    def annotated(self, name: str) -> Path:
        """`name`, `subfolder/name` or `name [output]`; raises OutsideFolder."""
        for kind in ("input", "output", "temp"):
            if name.endswith(f" [{kind}]"):
                return inside(self.base / kind, name[: -len(kind) - 3])
        return inside(self.base / "input", name)


def inside(root: Path, name: str) -> Path:
    """`root` joined with `name`; raises OutsideFolder when the result isn't below `root`."""
    if "\x00" in name:
        raise OutsideFolder(name)
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise OutsideFolder(name)
    return path


def next_output(root: Path, filename_prefix: str) -> tuple[Path, str, str, int]:
    """(folder, file prefix, subfolder, counter) for a save node: one more than the largest counter that exists.

    A deleted file's name is therefore used again, as on the real server. Raises OutsideFolder.
    """
    subfolder, _, prefix = filename_prefix.rpartition("/")
    folder = inside(root, subfolder)
    folder.mkdir(parents=True, exist_ok=True)
    largest = 0
    for path in folder.iterdir():
        match = SAVED_NAME.match(path.name)
        if match and match["prefix"] == prefix:
            largest = max(largest, int(match["counter"]))
    return folder, prefix, subfolder, largest + 1


def store_upload(folder: Path, name: str, content: bytes, *, overwrite: bool) -> str:
    """Write an upload and return the name it got: the same bytes keep their name, others get ` (1)`, ` (2)`, ..."""
    path = folder / name
    counter = 1
    digest = hashlib.sha256(content).digest()
    while not overwrite and path.exists():
        if hashlib.sha256(path.read_bytes()).digest() == digest:
            return path.name
        stem, suffix = Path(name).stem, Path(name).suffix
        path = folder / f"{stem} ({counter}){suffix}"
        counter += 1
    path.write_bytes(content)
    return path.name
