"""A run as a JUnit file, for the build server: one test case per segment of each reference."""

from xml.etree import ElementTree

from services.studio.domain.report import VERDICT_WORDS, MetricRow, ReferenceView, RunView, SegmentView, number_text


def junit_xml(run: RunView) -> bytes:
    """Degraded is a failure, not comparable a skip, a render that failed an error. Opens in any JUnit reader."""
    suite = ElementTree.Element("testsuite", name=f"regression run {run.run_id}: {run.asset} v{run.version}")
    for reference in run.references:
        for segment in reference.segments:
            suite.append(_case(reference, segment))
        if not reference.segments:
            suite.append(_bare(reference))
    counts = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error", "skipped")}
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", str(counts["skipped"]))
    root = ElementTree.Element("testsuites", name="rushes")
    root.append(suite)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _case(reference: ReferenceView, segment: SegmentView) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=_xml_text(reference.title),
        name=f"segment {segment.position}",
        time=f"{segment.render_seconds or 0:.3f}",
    )
    changed = [row for row in segment.metrics if row.change == "degraded"]
    if segment.failure:
        _add(case, "error", segment.failure, "")
    elif segment.verdict == "degraded" or changed:
        _add(case, "failure", "; ".join(_sentence(row) for row in changed[:3]) or reference.summary, _table(segment))
    elif segment.verdict == "not_comparable" or reference.verdict == "not_comparable":
        _add(case, "skipped", reference.summary, "")
    return case


def _bare(reference: ReferenceView) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_xml_text(reference.title), name="reference")
    kind = {"degraded": "failure", "not_comparable": "skipped"}.get(reference.verdict)
    if kind is not None:
        _add(case, kind, reference.summary, "")
    return case


def _add(case: ElementTree.Element, kind: str, message: str, text: str) -> None:
    ElementTree.SubElement(case, kind, message=_xml_text(message)).text = _xml_text(text) or None


def _sentence(row: MetricRow) -> str:
    where = "" if row.worst_frame is None else f", worst at frame {row.worst_frame}"
    return f"{row.label} {number_text(row.baseline)} → {number_text(row.new)} (limit {number_text(row.limit)}{where})"


def _table(segment: SegmentView) -> str:
    return "\n".join(f"{VERDICT_WORDS.get(row.change, row.change)}: {_sentence(row)}" for row in segment.metrics)


def _xml_text(text: str) -> str:
    """XML cannot hold control characters, not even escaped."""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
