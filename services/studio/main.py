"""Composition root of studio."""

from datetime import timedelta

from services.studio.adapters.upstream import UpstreamAway, Upstreams
from services.studio.api.access import Access, NotSignedIn
from services.studio.api.activity import activity_router
from services.studio.api.boundary_pages import boundary_pages_router, segment_pages_router
from services.studio.api.gateway import gateway_router
from services.studio.api.media import media_router
from services.studio.api.openapi import Description, install
from services.studio.api.pages import pages_router, session_router
from services.studio.api.visits import Instead, show_instead
from services.studio.domain.browser import ForgedRequest
from services.studio.domain.routes import UnknownPath
from services.studio.handlers import Handlers, register
from services.studio.operations import Operations
from services.studio.settings import Settings
from services.studio.store import Store
from services.studio.web.pages import Pages
from shared.media.links import LinkSigner
from shared.service import Chassis, run

SWEEP_SECONDS = 600


def build(settings: Settings, *, upstreams: Upstreams | None = None) -> Chassis:
    """Studio, ready to serve. `upstreams` replaces the services behind it."""
    chassis = Chassis(name="studio", settings=settings)
    store = Store(chassis.database)
    operations = Operations(store=store, session_seconds=settings.session_seconds)
    upstreams = upstreams or Upstreams(settings.upstream_urls())
    access = Access(verifier=chassis.verifier, operations=operations, store=store)
    pages = Pages()

    chassis.problem(NotSignedIn, 401, "Not signed in")
    chassis.problem(ForgedRequest, 403, "Request refused")
    chassis.problem(UnknownPath, 404, "Not found")
    chassis.problem(UpstreamAway, 503, "Not available right now")
    chassis.app.add_exception_handler(Instead, show_instead)

    chassis.include(activity_router(access=access, store=store))
    chassis.include(
        media_router(
            access=access,
            media=chassis.media,
            signer=LinkSigner.from_file(settings.media_secret_file),
            lifetime=timedelta(seconds=settings.media_link_seconds),
        )
    )
    chassis.include(pages_router(access=access, upstreams=upstreams, store=store, pages=pages))
    chassis.include(boundary_pages_router(access=access, upstreams=upstreams, pages=pages))
    chassis.include(segment_pages_router(access=access, upstreams=upstreams, pages=pages))
    chassis.include(
        session_router(access=access, operations=operations, pages=pages, secure_cookies=settings.secure_cookies)
    )
    description = Description(upstreams=upstreams, cache_seconds=settings.openapi_cache_seconds)
    install(chassis.app, description=description, pages=pages)
    chassis.include(gateway_router(access=access, upstreams=upstreams))

    register(chassis.consumer, Handlers(operations))
    chassis.on_start(upstreams.open)
    chassis.on_stop(upstreams.close)

    async def sweep() -> bool:
        await operations.sweep()
        return False

    chassis.work("sweep", sweep, poll_seconds=SWEEP_SECONDS)
    return chassis


def main() -> None:
    run(build(Settings()))
