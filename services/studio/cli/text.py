"""A run's report for a terminal."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.studio.domain.report import VERDICT_WORDS, MetricRow, ReferenceView, RunView, SegmentView, number_text

FIGURES = ("baseline", "new", "change", "noise", "limit")
STYLES = {
    "degraded": "bold red",
    "failed": "bold red",
    "improved": "green",
    "passed": "bold green",
    "same": "cyan",
    "not_comparable": "yellow",
    "inconclusive": "yellow",
    "cancelled": "yellow",
}


WIDE = 140
"""Columns for a file or a pipe, which have no width of their own."""


def console(*, stderr: bool = False) -> Console:
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=WIDE)


def words(name: str) -> Text:
    return Text(VERDICT_WORDS.get(name, name.replace("_", " ")), style=STYLES.get(name, ""))


def print_run(console: Console, run: RunView, *, url: str, every_metric: bool = False) -> None:
    console.print(Text.assemble((f"Run {run.run_id}: ", "bold"), words(run.outcome), "  ", (run.headline, "bold")))
    for line in (run.reason, run.rollback.text, *run.notices):
        if line:
            console.print(Text(f"  {line}"))
    for reference in run.references:
        console.print(_reference(reference, every_metric=every_metric))
    if run.superseded:
        console.print(Text("  superseded: a newer update of this asset came during the run", style="yellow"))
    console.print(Text(f"  Report: {url}/reports/regression/{run.run_id}"))


def _reference(reference: ReferenceView, *, every_metric: bool) -> RenderableType:
    title = Text.assemble("  ", (reference.title, "bold"), "  ", words(reference.verdict))
    parts: list[RenderableType] = [title]
    if reference.summary:
        parts.append(Text(f"  {reference.summary}"))
    table = Table(box=None, pad_edge=False, padding=(0, 2), show_edge=False)
    for name in ("", "segment", "metric", "baseline", "new", "change", "noise", "limit", "frame"):
        table.add_column(name, no_wrap=True, justify="right" if name in FIGURES else "left")
    for segment in reference.segments:
        for row in _shown(segment, every_metric=every_metric):
            table.add_row(
                "  ", str(segment.position), row.label, *_figures(row), _frame(row), style=STYLES.get(row.change)
            )
    if table.row_count:
        parts.append(table)
    return Group(*parts)


def _shown(segment: SegmentView, *, every_metric: bool) -> list[MetricRow]:
    return [row for row in segment.metrics if every_metric or row.change in ("degraded", "improved")]


def _figures(row: MetricRow) -> tuple[str, ...]:
    moved = number_text(row.delta, signed=True)
    return (number_text(row.baseline), number_text(row.new), moved, number_text(row.noise), number_text(row.limit))


def _frame(row: MetricRow) -> str:
    return "" if row.worst_frame is None else str(row.worst_frame)
