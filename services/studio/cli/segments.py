"""`rushes segment`: one segment again, back, approved, locked; the stale ones after it; and its boundaries."""

from typing import Annotated, Any
from uuid import UUID

import typer

from services.studio.cli import boundaries
from services.studio.cli.client import Client
from services.studio.cli.connection import Target
from services.studio.cli.given import Parameters, json_object
from services.studio.cli.progress import follow

Segment = Annotated[int, typer.Argument(help="the id of a segment, as `rushes scene show` lists it")]
Overwrite = Annotated[list[int] | None, typer.Option(help="id of an approved or locked segment that may be replaced")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="follow it to its end")]
EXIT_UNFINISHED = 1
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


def build() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True)
    _add_regeneration(app)
    _add_versions(app)
    boundaries.add_to(app)
    _add_marks(app)
    return app


def _add_regeneration(app: typer.Typer) -> None:
    @app.command(help="Render one segment again, from the same frame; says first what that touches and costs.")
    def regenerate(
        segment: Segment,
        seed: Annotated[int | None, typer.Option(min=0, help="another seed")] = None,
        cfg: Annotated[float | None, typer.Option(help="another cfg")] = None,
        parameters: Parameters = "{}",
        overwrite: Overwrite = None,
        wait: Wait = False,
        yes: Yes = False,
    ) -> None:
        changed = json_object(parameters, "--parameters") | ({} if cfg is None else {"cfg": cfg})
        with Target.from_environment().client() as client:
            facts = client.get(f"/api/segments/{segment}/regeneration")
            print(f"{facts['message']} About {facts['render_seconds']:.0f} s of rendering.")
            _say_approvals(facts["approvals_affected"])
            _ask(yes)
            body: dict[str, Any] = {"overwrite": overwrite or [], "parameters": changed}
            body |= {} if seed is None else {"seed": seed}
            asked = client.post(f"/api/segments/{segment}/regenerate", body)["segment"]["id"]
            if wait:
                _follow_version(client, asked)
            else:
                print(f"segment {asked} is being rendered")

    @app.command(help="Regenerate the stale segments after a segment, one by one, until a frame converges.")
    def cascade(segment: Segment, overwrite: Overwrite = None, wait: Wait = False, yes: Yes = False) -> None:
        with Target.from_environment().client() as client:
            plan = client.get(f"/api/segments/{segment}/cascade", overwrite=overwrite)
            positions = ", ".join(str(one["position"]) for one in plan["segments"]) or "none"
            print(f"At most segments {positions}; {plan['render_minutes']:.1f} minutes of rendering.")
            _say_approvals(plan["voided_approvals"])
            if plan["stops"]:
                print(f"It would stop there: {plan['stops']}")
            _ask(yes)
            told = client.post(f"/api/segments/{segment}/cascade", {"overwrite": overwrite or []})
            print(f"cascade {told['id']} is running")
            if wait:
                _follow_cascade(client, told["id"])

    @app.command(help="Stop the render of a new version, and the cascade that it is a step of.")
    def cancel(segment: Segment) -> None:
        with Target.from_environment().client() as client:
            client.post(f"/api/segments/{segment}/cancel")
        print(f"segment {segment} is cancelled")


def _add_versions(app: typer.Typer) -> None:
    @app.command(help="Every version of a segment's position, newest first.")
    def versions(segment: Segment) -> None:
        with Target.from_environment().client() as client:
            for one in client.items(f"/api/segments/{segment}/versions"):
                marks = [name for name in ("is_current", "is_stale", "is_locked", "is_candidate") if one[name]]
                words = " ".join([one["state"], one["review"], *(mark.removeprefix("is_") for mark in marks)])
                print(f"{one['id']}  version {one['version']}  {words}{_boundaries(one)}")
                _say_repair(one)

    @app.command(help="Make a version current again: the one named, or the one that the named current one replaced.")
    def revert(segment: Segment, overwrite: Overwrite = None) -> None:
        with Target.from_environment().client() as client:
            told = client.post(f"/api/segments/{segment}/revert", {"overwrite": overwrite or []})
        print(
            f"segment {told['segment']['id']} is current; "
            f"{told['became_stale']} became stale, {told['became_fresh']} became fresh"
        )

    @app.command(name="undo-repair", help="Bring the versions back that a repaired boundary replaced.")
    def undo_repair(
        repair: Annotated[UUID, typer.Argument(help="the id of a repair, as `rushes segment versions` shows it")],
        overwrite: Overwrite = None,
    ) -> None:
        with Target.from_environment().client() as client:
            told = client.post(f"/api/boundary-repairs/{repair}/undo", {"overwrite": overwrite or []})
        names = ", ".join(str(one["id"]) for one in told["segments"])
        print(
            f"current again: segment {names}; {told['became_stale']} became stale, {told['became_fresh']} became fresh"
        )


def _boundaries(version: dict[str, Any]) -> str:
    """How alike the frames on both sides of its boundaries are, where that was measured."""
    found = {side: version[f"boundary_ssim_{side}"] for side in ("before", "after")}
    shown = [f"{side} {ssim:.2f}" for side, ssim in found.items() if ssim is not None]
    return f"  boundary {', '.join(shown)}" if shown else ""


def _say_repair(version: dict[str, Any]) -> None:
    if version["repair"] is None:
        return
    what = f"{version['repair']['summary']} (repair {version['repair']['repair_id']})"
    held = version["activation"] is not None and version["activation"]["outcome"] == "held"
    print(f"    {what}{'; ' + version['activation']['reason'] if held else ''}")


def _add_marks(app: typer.Typer) -> None:
    def mark(verb: str, text: str) -> None:
        @app.command(name=verb, help=text)
        def command(segment: Segment) -> None:
            with Target.from_environment().client() as client:
                told = _marked(client, segment, verb)
            print(f"segment {told['id']}: {told['review']}{', locked' if told['is_locked'] else ''}")

    mark("approve", "Say that a segment is good as it is; it is not stale any more.")
    mark("reject", "Say that a segment is not good.")
    mark("lock", "Keep a segment from being replaced.")
    mark("unlock", "Let a locked segment be replaced again.")


def _follow_version(client: Client, segment: int) -> None:
    """Says what became of it. Raises typer.Exit unless it is current."""
    told = follow(
        client,
        f"/api/segments/{segment}/progress",
        what=f"segment {segment}",
        again=f"rushes segment versions {segment}",
        stop=f"rushes segment cancel {segment}",
    )
    found = client.get(f"/api/segments/{segment}")
    if found["state"] != "generated" or not found["is_current"]:
        print(f"segment {segment} is {found['state']} and not current {told['reason']}".rstrip())
        raise typer.Exit(EXIT_UNFINISHED)
    stale = (found["activation"] or {}).get("became_stale", [])
    print(f"segment {segment} is there; {len(stale)} segments became stale")


def _follow_cascade(client: Client, cascade: int) -> None:
    told = follow(
        client,
        f"/api/cascades/{cascade}/progress",
        what=f"cascade {cascade}",
        again="rushes queue show",
        stop="rushes segment cancel, with the segment that rushes queue show names",
    )
    print(f"cascade {cascade} is {told['outcome']}, {told['done']} segments rendered: {told['reason']}")
    if told["outcome"] not in ("completed", "converged"):
        raise typer.Exit(EXIT_UNFINISHED)


def _marked(client: Client, segment: int, verb: str) -> dict[str, Any]:
    told: dict[str, Any] = client.post(f"/api/segments/{segment}/{verb}")
    return told


def _say_approvals(touched: list[dict[str, Any]]) -> None:
    if touched:
        print(f"Approvals affected: segments {', '.join(str(one['position']) for one in touched)}.")


def _ask(yes: bool) -> None:
    if not yes:
        typer.confirm("Go on?", abort=True)
