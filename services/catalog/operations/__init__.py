"""Use cases of the catalog: each opens one transaction, asks the domain, saves, and says what changed."""

from services.catalog.operations.assets import AssetOperations
from services.catalog.operations.bootstrap import Bootstrap
from services.catalog.operations.characters import CharacterOperations
from services.catalog.operations.projects import ProjectOperations
from services.catalog.operations.scene_types import SceneTypeOperations
from services.catalog.operations.users import IssuedAccess, UserOperations

__all__ = [
    "AssetOperations",
    "Bootstrap",
    "CharacterOperations",
    "IssuedAccess",
    "ProjectOperations",
    "SceneTypeOperations",
    "UserOperations",
]
