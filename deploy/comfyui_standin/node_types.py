"""What a node class is: its inputs, what it returns, and how `/object_info` shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.comfyui_standin.folders import Folders

JSON = dict[str, Any]


class Interrupted(Exception):
    """The running prompt was asked to stop."""


@dataclass(frozen=True)
class Input:
    """One input. `options` makes it a choice; a choice of an `unchecked` class is not validated, as with V3 nodes."""

    kind: str
    required: bool = True
    options: Callable[[Folders], list[str]] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def described(self, folders: Folders, *, unchecked: bool) -> list[Any]:
        """As in `/object_info`: `[type, {...}]`, or `[[choices], {...}]` for a choice."""
        if self.options is None:
            return [self.kind, dict(self.extra)] if self.extra else [self.kind]
        choices = self.options(folders)
        return ["COMBO", {**self.extra, "options": choices}] if unchecked else [choices, dict(self.extra)]


@dataclass(frozen=True)
class NodeResult:
    """What a node gives: values for its output slots, and what `/history` shows of it, if anything."""

    values: tuple[Any, ...] = ()
    ui: JSON | None = None


@dataclass(frozen=True)
class Running:
    """What a node may use while it runs. `progress(value, max)` raises Interrupted when the prompt must stop."""

    folders: Folders
    progress: Callable[[int, int], None]
    metadata: Mapping[str, str]
    quick: bool


@dataclass(frozen=True)
class NodeClass:
    """A node class. `fingerprint` is the part of the cache key that doesn't show in the inputs (a file's content)."""

    name: str
    inputs: Mapping[str, Input]
    returns: tuple[str, ...]
    run: Callable[[Running, JSON], NodeResult]
    category: str
    title: str
    output_node: bool = False
    unchecked_choices: bool = False
    check: Callable[[Folders, JSON], str | None] | None = None
    fingerprint: Callable[[Folders, JSON], str] | None = None

    def described(self, folders: Folders) -> JSON:
        """This class's entry in `/object_info`."""
        shown: dict[str, JSON] = {"required": {}}
        for name, spec in self.inputs.items():
            group = "required" if spec.required else "optional"
            shown.setdefault(group, {})[name] = spec.described(folders, unchecked=self.unchecked_choices)
        return {
            "input": shown,
            "input_order": {group: list(names) for group, names in shown.items()},
            "output": list(self.returns),
            "output_is_list": [False] * len(self.returns),
            "output_name": list(self.returns),
            "name": self.name,
            "display_name": self.title,
            "description": "Part of a ComfyUI stand-in.",
            "python_module": "nodes",
            "category": self.category,
            "output_node": self.output_node,
        }


def number(kind: str, default: float, low: float, high: float, step: float = 1) -> Input:
    """An INT or FLOAT input with its bounds."""
    return Input(kind, extra={"default": default, "min": low, "max": high, "step": step})


def link(kind: str, *, required: bool = True) -> Input:
    """An input that takes another node's output."""
    return Input(kind, required=required)


def choice(*names: str, default: str | None = None, required: bool = True) -> Input:
    """An input with fixed choices."""
    extra = {} if default is None else {"default": default}
    return Input("COMBO", required=required, options=lambda folders: list(names), extra=extra)


def text(*, multiline: bool = False, default: str = "") -> Input:
    """A STRING input."""
    return Input("STRING", extra={"multiline": multiline, "default": default})
