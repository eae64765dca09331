"""ComfyUI's `workflow`, the editor's own form of a graph, turned into what would be executed of it.

Its nodes have their values in the order of the node's widgets, without names (ComfyUI_frontend's
graphToPrompt does this with the definitions of all nodes at hand); so those that matter are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

_MAX_NODES = 5000
_MAX_LINKS = 50_000
_MAX_INPUTS = 200

_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": ("", "", "", "", "", "", "text_g", "text_l"),
    "CheckpointLoader": ("", "ckpt_name"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "EmptyLatentImage": ("width", "height"),
    "EmptySD3LatentImage": ("width", "height"),
    "FluxGuidance": ("guidance",),
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "KSamplerSelect": ("sampler_name",),
    "PrimitiveNode": ("value",),
    "RandomNoise": ("noise_seed",),
    "SamplerCustom": ("", "noise_seed", "", "cfg"),
    "UNETLoader": ("unet_name",),
}


def executed(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The graph in the form of a `prompt`; what is no node, or switched off, is left out."""
    givers = {}
    for link in islice(_list(workflow.get("links")), _MAX_LINKS):
        if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int):
            givers[link[0]] = [str(link[1]), link[2]]
    graph = {}
    for node in islice(_list(workflow.get("nodes")), _MAX_NODES):
        if not isinstance(node, dict) or node.get("mode") == 2:  # never
            continue
        bypassed = node.get("mode") == 4  # then it does nothing, but what it is given goes through it
        kind = "" if bypassed else str(node.get("type", ""))
        values = None if bypassed else node.get("widgets_values")
        if isinstance(values, dict):  # some nodes keep theirs by name
            inputs = dict(islice(values.items(), _MAX_INPUTS))
        else:
            named = zip(_WIDGETS.get(kind, ()), _list(values), strict=False)
            inputs = {name: value for name, value in named if name}
        for place in islice(_list(node.get("inputs")), _MAX_INPUTS):
            if isinstance(place, dict) and isinstance(place.get("link"), int) and place["link"] in givers:
                inputs[str(place.get("name", ""))] = givers[place["link"]]
        graph[str(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return graph


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
