"""A reader of ComfyUI graphs: the words that reached the sampler, by walking the wires backwards.

A graph is `{node id: {"class_type": …, "inputs": {name: value or [node id, output]}}}`. Which box
holds "the prompt" is nowhere said: it is whatever the sampler's `positive` input leads back to,
through boxes that combine, control or only pass on. Custom boxes are many, so inputs are judged by
their names and not by the box. A graph of a stranger may be a ring or a million boxes: every box
is visited once, and no more than `MAX_NODES` of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_NODES = 10_000
Graph = Mapping[str, Mapping[str, Any]]
_WORDS = (
    "text", "string", "prompt", "populated_text", "wildcard_text", "clip_l", "clip_g", "t5xxl",
    "llama", "value", "tags",
)  # fmt: skip
"""How inputs that hold words begin."""
_NO_WORDS = frozenset(
    "model clip vae image images latent latent_image samples control_net mask pixels noise sigmas "
    "sampler clip_vision_output style_model audio".split()
)
"""Inputs that lead to pictures and weights: behind them are other prompts, or none."""
_OTHER = {"positive": "negative", "negative": "positive"}
_SILENT = frozenset({"ConditioningZeroOut"})


@dataclass(frozen=True, slots=True)
class GraphPrompt:
    """The words of a graph; None where no box with words is wired in."""

    positive: str | None
    negative: str | None


def as_graph(value: Any) -> Graph | None:
    """The boxes of a parsed JSON value that is a ComfyUI graph; None if it is none."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("prompt"), dict):  # as it is posted to ComfyUI's server
        value = value["prompt"]
    nodes = {
        str(key): node
        for key, node in list(value.items())[:MAX_NODES]
        if isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    }
    return nodes or None


def read_graph(graph: Graph) -> GraphPrompt:
    """The words behind the first sampler, in the graph's own order, that leads to any."""
    barren: set[str] = set()  # what led one root to no words leads the next to none
    for root in _roots(graph):
        positive = _words_behind(graph, root, "positive", barren)
        if positive:
            return GraphPrompt(positive, _words_behind(graph, root, "negative", set()))
    return GraphPrompt(None, None)


def _roots(graph: Graph) -> list[str]:
    """Boxes that are told what to draw: samplers, then guiders, then any that has both inputs."""

    def order(node_id: str) -> int:
        kind = graph[node_id]["class_type"].lower()
        return 0 if "sampler" in kind else 1 if "guider" in kind else 2

    roots = [
        node_id
        for node_id, node in graph.items()
        if _is_told(node["inputs"].get("positive"))
        or ("guider" in node["class_type"].lower() and _link(node["inputs"].get("conditioning")))
    ]
    return sorted(roots, key=order)


def _is_told(value: Any) -> bool:
    return _link(value) is not None or (isinstance(value, str) and bool(value.strip()))


def _words_behind(graph: Graph, root: str, role: str, seen: set[str]) -> str | None:
    inputs = graph[root]["inputs"]
    wired = inputs.get(role)
    if wired is None and role == "positive":
        wired = inputs.get("conditioning")
    if isinstance(wired, str):  # a box that is sampler and words in one
        return wired.strip() or None
    first = _link(wired)
    waiting = [first] if first is not None else []
    seen.add(root)
    words: dict[str, None] = {}
    while waiting:
        node_id = waiting.pop()
        node = graph.get(node_id)
        if node_id in seen or node is None:
            continue
        seen.add(node_id)
        if node["class_type"] in _SILENT:
            continue
        ahead = []
        for value in _inputs_of(node, role):
            link = _link(value)
            if link is not None:
                ahead.append(link)
            elif isinstance(value, str) and value.strip():
                words.setdefault(value.strip())
        waiting.extend(reversed(ahead))  # the box's first input is followed first
    return ", ".join(words) or None


def _inputs_of(node: Mapping[str, Any], role: str) -> Iterator[Any]:
    """The inputs that lead to words of this role, or hold them."""
    inputs = node["inputs"]
    for name, value in inputs.items():
        lower = str(name).lower()
        if lower in _NO_WORDS or lower.startswith(_OTHER[role]):
            continue
        # A box that draws by chance keeps what was drawn beside what it was drawn from.
        if lower == "wildcard_text" and inputs.get("populated_text"):
            continue
        if _link(value) is not None or lower.startswith((*_WORDS, role)):
            yield value


def _link(value: Any) -> str | None:
    """The box that an input is wired to."""
    match value:
        case [str() | int() as node_id, int()]:
            return str(node_id)
    return None
