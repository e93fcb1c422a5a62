"""A browser's page, waited for and photographed."""

import asyncio
import os
from pathlib import Path
from typing import Any


async def until(page: Any, condition: str) -> None:
    """Playwright's own wait evaluates text inside the page, which the page's security policy forbids."""
    async with asyncio.timeout(10):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.02)


async def shoot(page: Any, name: str) -> None:
    """Pictures for people to look at; only when somebody asks for them."""
    if folder := os.environ.get("RUSHES_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
