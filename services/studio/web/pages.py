"""Pages as responses: autoescaped, under a content security policy that lets in this answer's nonce only."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from services.studio.domain.boundaries import SceneBoundaries, SceneLine
from services.studio.domain.report import VERDICT_WORDS, RunLine, RunView, number_text, plain


class Pages:
    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("services.studio.web", "templates"),
            autoescape=select_autoescape(default_for_string=True, default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["number"] = number_text
        self._templates.filters["reading"] = reading_text
        self._templates.filters["words"] = lambda name: VERDICT_WORDS.get(name, str(name).replace("_", " "))
        self._templates.filters["plain"] = plain
        self._templates.filters["seconds"] = seconds_text
        self._templates.filters["when"] = when_text

    def report(self, run: RunView, *, actor: str, role: str) -> HTMLResponse:
        return self._page("report.html", run=run, actor=actor, role=role)

    def index(self, *, runs: list[RunLine], live: list[Any], activity: list[Any], actor: str) -> HTMLResponse:
        return self._page("index.html", runs=runs, live=live, activity=activity, actor=actor)

    def scenes(self, scenes: list[SceneLine], *, actor: str) -> HTMLResponse:
        return self._page("scenes.html", scenes=scenes, actor=actor)

    def boundaries(self, scene: SceneBoundaries, *, actor: str, role: str) -> HTMLResponse:
        return self._page("boundaries.html", scene=scene, actor=actor, role=role)

    def sign_in(self, *, next_path: str, error: str | None, status: int = 200) -> HTMLResponse:
        return self._page("signin.html", status=status, next_path=next_path, error=error, actor=None)

    def message(self, *, status: int, title: str, detail: str, actor: str | None) -> HTMLResponse:
        return self._page("message.html", status=status, title=title, detail=detail, actor=actor)

    def docs(self, document: Mapping[str, Any]) -> HTMLResponse:
        return self._page("docs.html", document=document, actor=None)

    def _page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        body = self._templates.get_template(template).render(nonce=nonce, **values)
        return HTMLResponse(body, status_code=status, headers=_headers(nonce))


def _headers(nonce: str) -> dict[str, str]:
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def seconds_text(value: float | None) -> str:
    """1.2 s, 48 s, 3 min 20 s."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def reading_text(value: float | None, whole: bool) -> str:
    """Three decimals, or whole frames with their sign; a dash where there is nothing."""
    if value is None:
        return "–"
    if whole:
        return f"{int(value):+d}".replace("-", "−") if value else "0"
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def when_text(value: str | None) -> str:
    """An ISO time to the minute, in UTC as it came; the page's script shows local time where it runs."""
    return value.replace("T", " ")[:16] + " UTC" if value else "–"
