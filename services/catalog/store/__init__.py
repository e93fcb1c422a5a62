"""Every SQL statement of the catalog's schema: one class per noun, one method per intent. No method commits."""

from services.catalog.store.assets import AssetStore
from services.catalog.store.characters import CharacterStore
from services.catalog.store.projects import ProjectStore
from services.catalog.store.scene_types import SceneTypeStore
from services.catalog.store.users import UserStore

__all__ = ["AssetStore", "CharacterStore", "ProjectStore", "SceneTypeStore", "UserStore"]
