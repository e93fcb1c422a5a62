"""The map of events, drawn from the registry into ARCHITECTURE.md.

`python -m shared.contracts.flowchart` rewrites the parts of the page between its markers; a test notices a stale page.
"""

from pathlib import Path

from shared.contracts.topics import SERVICES, TOPICS

PAGE = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"


def flowchart() -> str:
    """Mermaid: services as boxes, one arrow per pair of services with the topics it carries."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for topic in TOPICS:
        for producer in topic.producers:
            for consumer in topic.consumers:
                arrows.setdefault((producer, consumer), []).append(topic.name)
    lines = ["```mermaid", "flowchart LR"]
    lines += [f"    {service}[[{service}]]" for service in SERVICES]
    lines += [
        f'    {producer} -- "{"<br/>".join(sorted(names))}" --> {consumer}'
        for (producer, consumer), names in sorted(arrows.items())
    ]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Every topic with who says it, who hears it, what orders it and how long it is kept."""
    rows = ["| topic | said by | heard by | key | kept | what for |", "|---|---|---|---|---|---|"]
    for topic in TOPICS:
        kept = "newest per key" if topic.compacted else _words(int(topic.retention.total_seconds()))
        rows.append(
            f"| `{topic.name}` | {', '.join(topic.producers)} | {', '.join(topic.consumers)} "
            f"| {topic.event.key_field} | {kept} | {topic.description} |"
        )
    return "\n".join(rows)


def _words(seconds: int) -> str:
    days, hours = seconds // 86_400, seconds // 3_600
    return f"{days} days" if days else f"{hours} h"


def with_generated_parts(page: str) -> str:
    """The page with its generated parts as they should be. Raises ValueError when a marker is missing."""
    for name, part in {"flowchart": flowchart(), "topics": table()}.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"ARCHITECTURE.md has lost its markers for {name}")
        page = f"{before}{start}\n{part}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_generated_parts(PAGE.read_text()))
