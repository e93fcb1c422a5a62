"""A real browser: Debian's chromium, one that RUSHES_CHROMIUM names, or Playwright's own.

One for all tests, each of which has a site and a person (cookies, storage) of its own; all in the session's event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import async_playwright

from shared.auth import Role
from shared.media import MediaStore
from tests.support.chromium import MEND, find
from tests.support.clips import bulged, camera, clip, photograph
from tests.support.http import TestKeys
from tests.support.services import until_ready
from tests.support.studio import FakeServices, build_studio

PATIENCE_MS = 120_000
"""Only for what hangs: a busy machine draws a page in more than the 30 s that a browser is given by itself."""


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find()
    assert path is not None, MEND
    return path


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A baseline clip and one in which the face is wider; 24 frames at 12 a second."""
    folder, face = tmp_path_factory.mktemp("clips"), photograph("astronaut")
    wider = bulged(face, centre=(225, 115), radius=90, strength=0.35)
    return (
        clip(folder / "before.mp4", camera(face, frames=24), fps=12),
        clip(folder / "after.mp4", camera(wider, frames=24), fps=12),
    )


@pytest.fixture
async def clips(media: MediaStore, files: tuple[Path, Path]) -> tuple[str, str]:
    return await media.put_file(files[0]), await media.put_file(files[1])


@pytest_asyncio.fixture(loop_scope="session")
async def site(
    services: FakeServices, settings_of: Callable[..., dict[str, Any]], tmp_path: Path
) -> AsyncIterator[str]:
    """Studio on a port of its own, its database connected, without a broker; its address."""
    chassis = build_studio(settings_of("studio"), services, secret_folder=tmp_path)
    server = uvicorn.Server(uvicorn.Config(chassis.app, host="127.0.0.1", port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    await until_ready(chassis.app, without={"broker", "relay"})
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Any]:
    async with async_playwright() as driver:
        launched = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Any, site: str, keys: TestKeys) -> AsyncIterator[Any]:
    """A page of a person who signed in as creator, the way people do. A script error fails the test."""
    context = await browser.new_context(base_url=site, viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    opened = await context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
    await opened.goto("/signin")
    await opened.fill("input[name=token]", keys.token(Role.CREATOR, name="tess"))
    await opened.click("button:has-text('Sign in')")
    await opened.wait_for_url("**/")
    yield opened
    await context.close()
    assert errors == []
