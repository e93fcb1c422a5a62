"""Where the face models for tests are, if they are here: a setting, or beside the repository."""

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "models"


def face_models() -> Path | None:
    named = os.environ.get("RUSHES_FACE_MODELS")
    folder = Path(named) if named else BESIDE
    return folder if folder.is_dir() else None
