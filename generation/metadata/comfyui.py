"""ComfyUI's graph of nodes, followed from the sampler back to what it was given.

A file holds it twice (ComfyUI's nodes.py, SaveImage): `prompt` is what was executed, nodes by id, each with a
class and inputs by name, an input being a value or [id, slot] of the node that gives it; `workflow` is what
the editor shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from generation.metadata.names import our_sampler
from generation.metadata.settings import (
    MAX_TEXT,
    Settings,
    Tool,
    UnreadablePicture,
    as_clip_skip,
    as_guidance,
    as_seed,
    as_share,
    as_size,
    as_stem,
    as_steps,
)
from generation.metadata.workflow import executed
from generation.sentence import say

MAX_NODES = 5000
_MAX_DEPTH = 40
"""Nodes between a value or a text and what reads it."""

_MAX_PARTS = 20
"""Nodes among which a sampler's settings are spread."""
_MAX_PASSES = 20
"""Samplers one after the other."""
_MAX_JOINED = 8000
"""Characters in a text that nodes have joined."""

NO_SAMPLER = say("This picture holds a ComfyUI workflow, but I cannot tell what in it drew the picture.")

_LATENTS = ("latent_image", "latent", "latents", "samples", "optional_latent")
_PIXELS = ("pixels", "image", "images")
_BACK = (*_LATENTS, *_PIXELS, "")
"""From a picture to what it was made from; Reroute's input has no name."""
_SEEDS = ("seed", "noise_seed")
_SIDES = ("positive", "negative")
_PARTS = ("guider", "noise", "sampler", "sigmas")
"""SamplerCustomAdvanced has its settings in nodes of their own."""
_MODELS = ("model", "model1", "base_model", "unet", "guider", "pipe", "basic_pipe", "")
_MODEL_NAMES = ("ckpt_name", "unet_name", "base_ckpt_name", "model_name")
_ENCODED = ("populated_text", "text", "text_g", "t5xxl", "clip_l", "text_l", "prompt")
_PIECES = ("string_a", "string_b", "text1", "text2", "text_a", "text_b", "text_c", "text_d")
_HELD = (*_ENCODED, "string", "value")
_ELSEWHERE = frozenset(
    {"clip", "clip_vision", "clip_vision_output", "control_net", "mask", "model", "style_model", "vae"}
    | {*_LATENTS, *_PIXELS}
)
"""Inputs of a node between the sampler and its texts that do not lead to them."""


class _Graph:
    """The nodes of a `prompt`; what is no node is left out. It may go in circles."""

    def __init__(self, prompt: Mapping[str, Any]) -> None:
        self.inputs: dict[str, Mapping[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self._texts: dict[str, str | None] = {}
        for name, node in islice(prompt.items(), MAX_NODES):
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
                self.inputs[name] = node["inputs"]
                self.kinds[name] = str(node.get("class_type", ""))[:100]

    def giver(self, value: Any) -> str | None:
        """The node that gives this input; None if it is a value, or the node is not there."""
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int):
            return None
        return name if (name := str(value[0])) in self.inputs else None

    def givers(self, node: str, names: Collection[str] | None = None) -> Iterator[str]:
        """The nodes that give a node these inputs; None: all its inputs."""
        inputs = self.inputs[node]
        for value in inputs.values() if names is None else map(inputs.get, names):
            if (giver := self.giver(value)) is not None:
                yield giver

    def search(
        self, starts: Collection[str], names: Collection[str] | None, wanted: Callable[[str], bool]
    ) -> str | None:
        """The nearest of these nodes, and those before them by way of these inputs, that is wanted."""
        seen, waiting = set(starts), deque(starts)
        while waiting:
            if wanted(node := waiting.popleft()):
                return node
            fresh = [giver for giver in self.givers(node, names) if giver not in seen]
            seen.update(fresh)
            waiting.extend(dict.fromkeys(fresh))
        return None

    def value(self, node: str, names: Collection[str]) -> str | int | float | None:
        """The first of these inputs that has a value: its own, or that of a node which only holds one."""
        for name in names:
            value = self.inputs[node].get(name)
            for _ in range(_MAX_DEPTH):
                if (giver := self.giver(value)) is None:
                    break
                inputs = self.inputs[giver]
                held = [inputs[key] for key in (*_SEEDS, "value", "int", "float") if key in inputs]
                value = held[0] if held else next(iter(inputs.values()), None) if len(inputs) == 1 else None
            if isinstance(value, str | int | float):
                return value
        return None

    def text(self, value: Any, depth: int = 0) -> str | None:
        """A text, or what the nodes that give it hold; of a node that joins texts all of them."""
        if isinstance(value, str):
            return value
        giver = self.giver(value)
        if giver is None or depth > _MAX_DEPTH:
            return None
        if (
            giver not in self._texts
        ):  # each node is asked once: joined with themselves, texts double each time
            self._texts[giver] = None  # for itself, if it goes in a circle
            self._texts[giver] = self._held(self.inputs[giver], depth + 1)
        return self._texts[giver]

    def _held(self, inputs: Mapping[str, Any], depth: int) -> str | None:
        told = [text for name in _PIECES if (text := self.text(inputs.get(name), depth))]
        if told:
            between = inputs.get("delimiter")
            return (between[:_MAX_JOINED] if isinstance(between, str) else ", ").join(told)[:_MAX_JOINED]
        held = (self.text(inputs.get(name), depth) for name in _HELD)
        return next((text for text in held if text is not None), None)


def comfyui(prompt: Mapping[str, Any] | None, workflow: Mapping[str, Any] | None) -> Settings:
    """What the graph says of the sampler that drew first, if several drew one after the other.

    Raises:
        UnreadablePicture: there is nothing in it that we know as a sampler.
    """
    graph = _Graph(prompt if prompt is not None else executed(workflow or {}))
    if (sampler := _first_sampler(graph)) is None:
        raise UnreadablePicture(NO_SAMPLER)
    around = [sampler]
    while len(around) < _MAX_PARTS and (more := next(_parts(graph, around), None)) is not None:
        around.append(more)

    def said(*names: str) -> str | int | float | None:
        return next((value for node in around if (value := graph.value(node, names)) is not None), None)

    canvas = graph.search([sampler], _BACK, lambda node: _is_canvas(graph, node))
    size = [] if canvas is None else [graph.value(canvas, [edge]) for edge in ("width", "height")]
    layer = graph.search([sampler], None, lambda node: "stop_at_clip_layer" in graph.inputs[node])
    guidance = said("cfg")
    if guidance is None:  # Flux and its like have it beside their texts
        tells = graph.search(around, None, lambda node: "guidance" in graph.inputs[node])
        guidance = None if tells is None else graph.value(tells, ["guidance"])
    return Settings(
        prompt=_words(graph, around, 0),
        negative_prompt=_words(graph, around, 1),
        steps=as_steps(said("steps")),
        guidance=as_guidance(guidance),
        sampler=our_sampler(said("sampler_name"), said("scheduler")),
        seed=as_seed(said(*_SEEDS)),
        size=as_size(*size) if size else None,
        model=_model(graph, around),
        clip_skip=None if layer is None else as_clip_skip(graph.value(layer, ["stop_at_clip_layer"])),
        strength=as_share(said("denoise")) if canvas is None and _has_pixels(graph, sampler) else None,
        tool=Tool.COMFYUI,
    )


def _is_sampler(graph: _Graph, node: str) -> bool:
    inputs, kind = graph.inputs[node], graph.kinds[node]
    if any(name in inputs for name in _LATENTS) and any(name in inputs for name in ("positive", "guider")):
        return "Sampler" in kind or "steps" in inputs
    return "KSampler" in kind and "steps" in inputs


def _first_sampler(graph: _Graph) -> str | None:
    """The sampler nearest to what is saved, or the one before it whose picture it goes on with."""

    def is_sampler(node: str) -> bool:
        return _is_sampler(graph, node)

    saved = [node for node, kind in graph.kinds.items() if kind == "SaveImage"]
    shown = [node for node, kind in graph.kinds.items() if "Save" in kind or "Preview" in kind]
    last = next(
        (
            found
            for ends in (saved, shown, list(graph.inputs))
            if (found := graph.search(ends, None, is_sampler))
        ),
        None,
    )
    seen: set[str] = set()
    while last is not None and len(seen) < _MAX_PASSES:
        seen.add(last)
        before = graph.search(list(graph.givers(last, _BACK)), _BACK, is_sampler)
        if before is None or before in seen:
            break
        last = before
    return last


def _parts(graph: _Graph, known: list[str]) -> Iterator[str]:
    """Nodes not known yet that hold settings of one that is."""
    return (giver for node in known for giver in graph.givers(node, _PARTS) if giver not in known)


def _is_canvas(graph: _Graph, node: str) -> bool:
    """Whether it makes an empty picture, and says of what size."""
    inputs = graph.inputs[node]
    return "width" in inputs and "height" in inputs and not any(name in inputs for name in _BACK)


def _has_pixels(graph: _Graph, sampler: str) -> bool:
    by_way = graph.search([sampler], _BACK, lambda node: any(name in graph.inputs[node] for name in _PIXELS))
    return by_way is not None


def _model(graph: _Graph, around: list[str]) -> str | None:
    for names in (_MODELS, None):  # on the straight way first: others lead to other models too
        loader = graph.search(around, names, lambda node: graph.value(node, _MODEL_NAMES) is not None)
        if loader is not None:
            return as_stem(graph.value(loader, _MODEL_NAMES))
    return None


def _words(graph: _Graph, around: list[str], side: int) -> str:
    """The texts on one side of the sampler, a line each where several are joined."""
    begin = [node for node in around if _SIDES[side] in graph.inputs[node]]
    if not begin:  # a guider with one side only, or all that a sampler needs comes through one pipe
        begin = [node for node in around if "conditioning" in graph.inputs[node]] or around[:1]
    told: list[str] = []
    seen: set[str] = set()
    waiting = [(begin[0], side == 0)]
    while waiting:
        node, on_side = waiting.pop()
        if node in seen or graph.kinds[node] == "ConditioningZeroOut":
            continue
        seen.add(node)
        inputs = graph.inputs[node]
        if _SIDES[side] in inputs:
            value = inputs[_SIDES[side]]
            if isinstance(value, str):
                told.append(value)
            elif (giver := graph.giver(value)) is not None:
                waiting.append((giver, True))
            continue
        texts = (graph.text(inputs.get(name)) for name in _ENCODED)
        text = next((text for text in texts if text is not None), None)
        ahead = [giver for name in inputs if name not in _ELSEWHERE for giver in graph.givers(node, [name])]
        if text is None and not ahead:
            text = graph.text([node, 0])
        if text is not None and on_side:
            told.append(text)
        elif text is None:
            waiting.extend((giver, on_side) for giver in reversed(ahead))
    return "\n".join(dict.fromkeys(text.strip() for text in told if text.strip()))[:MAX_TEXT]
