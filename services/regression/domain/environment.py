"""May two renders be compared: is everything the same, except the asset under test?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a render depended on besides its parameters, as far as the engine tells. `model_files`: name and
    checksum pairs.
    """

    engine: str
    python: str | None = None
    torch: str | None = None
    device: str | None = None
    node_classes: tuple[str, ...] = ()
    model_files: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderTest:
    """What differs on purpose: the file names of the old and the new version, or the graph itself."""

    file_names: frozenset[str] = field(default_factory=frozenset)
    graph: bool = False


def differences(
    baselines: Sequence[Environment], new: Environment, under_test: UnderTest = UnderTest()
) -> tuple[str, ...]:
    """Empty if the environment equals that of one of the baseline's renders, but for the asset under test.

    Several servers may have rendered the baseline; what differs between them is part of its noise. A graph under test
    brings its own nodes and files: then only files that both use must be equal. Otherwise, in words, what differs
    from the nearest one.
    """
    found = [_differences(baseline, new, under_test) for baseline in baselines]
    return min(found, key=len, default=("the baseline's environment is not known",))


def _differences(old: Environment, new: Environment, under_test: UnderTest) -> tuple[str, ...]:
    pairs = (
        ("render engine", old.engine, new.engine),
        ("Python", old.python, new.python),
        ("torch", old.torch, new.torch),
        ("device", old.device, new.device),
    )
    changed = [
        f"{what} was {before or 'unknown'}, is {after or 'unknown'}" for what, before, after in pairs if before != after
    ]
    if not under_test.graph and set(old.node_classes) != set(new.node_classes):
        changed.append(_listed("node classes", set(old.node_classes), set(new.node_classes)))
    return (*changed, *_file_differences(dict(old.model_files), dict(new.model_files), under_test))


def _file_differences(old: Mapping[str, str | None], new: Mapping[str, str | None], under_test: UnderTest) -> list[str]:
    before, after = set(old) - under_test.file_names, set(new) - under_test.file_names
    changed = [
        f"model file {name} has another content" for name in sorted(before & after) if _contradict(old[name], new[name])
    ]
    if not under_test.graph and before != after:
        changed.append(_listed("model files", before, after))
    return changed


def _contradict(one: str | None, other: str | None) -> bool:
    """An unreadable checksum is no evidence of a change."""
    return one is not None and other is not None and one != other


def _listed(what: str, old: set[str], new: set[str]) -> str:
    gone, come = ", ".join(sorted(old - new)) or "none", ", ".join(sorted(new - old)) or "none"
    return f"{what} differ (gone: {gone}; new: {come})"
