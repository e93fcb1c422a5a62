"""The catalog, put together."""

from datetime import timedelta

from services.catalog import domain
from services.catalog.adapters.images import ImageDecoder
from services.catalog.adapters.token_file import TokenFile
from services.catalog.api import build_routers
from services.catalog.handlers import Handlers, register
from services.catalog.operations import (
    AssetOperations,
    Bootstrap,
    CharacterOperations,
    ProjectOperations,
    SceneTypeOperations,
    UserOperations,
)
from services.catalog.settings import Settings
from services.catalog.store import AssetStore, CharacterStore, ProjectStore, SceneTypeStore, UserStore
from shared.auth import TokenIssuer
from shared.service import Chassis, run

STATUS_OF = {
    domain.NotFound: 404,
    domain.Conflict: 409,
    domain.Refused: 422,
    domain.TooLarge: 413,
    domain.UnsupportedMedia: 415,
    domain.NotAllowed: 403,
}


def build(settings: Settings) -> Chassis:
    chassis = Chassis(name="catalog", settings=settings)
    database = chassis.database
    issuer = TokenIssuer.from_file(settings.token_private_key_file)
    projects, characters, scene_types = ProjectStore(database), CharacterStore(database), SceneTypeStore(database)
    decoder = ImageDecoder(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)
    assets = AssetOperations(store=AssetStore(database))
    chassis.include(
        *build_routers(
            database=database,
            projects_=ProjectOperations(store=projects, characters=characters, scene_types=scene_types),
            users_=UserOperations(store=UserStore(database), issuer=issuer),
            characters_=CharacterOperations(store=characters, projects=projects, decoder=decoder, media=chassis.media),
            scene_types_=SceneTypeOperations(store=scene_types, projects=projects),
            assets_=assets,
            max_image_bytes=settings.max_image_bytes,
        )
    )
    for error, status in STATUS_OF.items():
        chassis.problem(error, status)
    register(chassis.consumer, Handlers(assets=assets))
    if settings.bootstrap_token_file is not None:
        chassis.on_start(
            Bootstrap(
                store=UserStore(database),
                issuer=issuer,
                file=TokenFile(settings.bootstrap_token_file),
                lifetime=timedelta(days=settings.bootstrap_token_days),
            )
        )
    return chassis


def main() -> None:
    run(build(Settings()))
