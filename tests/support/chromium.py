"""The browser of the browser tests: found, or installed by `python -m tests.support.chromium`.

`make test` calls that first, so that on a new machine nothing is skipped for want of a browser.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGE = "chromium-headless-shell"

MEND = "Browser tests need Chromium. Install it (for example `apt install chromium`), or set RUSHES_CHROMIUM=<path>."


def find() -> str | None:
    """The path of a browser: what RUSHES_CHROMIUM names, what is on the PATH, or Playwright's own."""
    for name in (os.environ.get("RUSHES_CHROMIUM"), *NAMES):
        if name and (path := shutil.which(name)):
            return path
    return _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def _install() -> None:
    """Debian's package where we may install one, otherwise Playwright's download."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE]
        subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    if find() is None:
        print("installing a browser for the browser tests ...", flush=True)
        _install()
    if find() is None:
        sys.exit(MEND)


if __name__ == "__main__":
    main()
