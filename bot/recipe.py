"""What made a picture: all of it to be read, and as a command to be typed again. Pure."""

from __future__ import annotations

from bot.card import Card, Tone
from bot.facts import listed, model_name
from bot.loras import lora_lines, option
from bot.markdown import literal, shortened
from bot.options import LEAST_HIRES, MAX_NAMED, MOST_HIRES, NOTHING, code, larger_size
from generation.job import Job
from generation.prompting.attention import words_of
from generation.request import OWN_SAMPLER, Control, GenerationRequest, Wording
from generation.shelf import Shelf

VARIATIONS = 4
"""Told one by one before the last."""


def settings_card(job: Job, shelf: Shelf, *, parent_link: str | None) -> Card:
    """Everything that made a picture, for the person who asked to see it."""
    request = job.request
    seeds = dict.fromkeys(request.image(index).seed for index in range(request.count))
    seeds_said = ", ".join(f"`{seed}`" for seed in seeds)
    lines = [
        "### Settings",
        f"**Prompt** {literal(shortened(request.prompt, 600))}",
        f"**Model** {literal(model_name(request, shelf))}",
        f"**Size** {request.size}",
        f"**Steps** {request.steps}",
        f"**Guidance** {request.guidance:g}",
        f"**Sampler** {literal(request.sampler)}",
        f"**Seed** {seeds_said}" if len(seeds) == 1 else f"**Seeds**, one for each picture: {seeds_said}",
        f"**Asked by** <@{job.asker}> <t:{int(job.created_at)}:f>",
    ]
    if request.upscale is not None and request.upscale.brought:
        lines = [lines[0], f"**Picture** {literal(request.prompt)}", *_enlarged(request), lines[-1]]
    else:
        lines += _palette(request) + lora_lines(request, shelf) + _learned(request, shelf)
    if request.negative_prompt:
        lines.insert(2, f"**Negative prompt** {literal(shortened(request.negative_prompt, 600))}")
    if job.parent is not None:
        lines.append(f"**Comes from** {parent_link or f'`{job.parent}`'}")
    lines.append(f"-# Request `{job.id}`")
    return Card(tone=Tone.DONE, text=tuple(lines))


def _palette(request: GenerationRequest) -> list[str]:
    """What it has besides words and numbers, a line each."""
    lines = []
    if request.style is not None:
        lines.append(f"**Style** {literal(request.style)}, which its prompts were made with")
    if request.chosen is not None:
        lines.append(f"**Chosen** {listed(request.chosen)}")
    if request.clip_skip > 1:
        lines.append(f"**Clip skip** {request.clip_skip}")
    if (start := request.start) is not None:
        larger = ", made larger for this second pass," if start.enlarged else ","
        lines.append(f"**Starts from** a picture{larger} with strength {start.strength:g}")
        if start.mask is not None:
            lines.append(f"**Drawn anew** only inside a mask, with {start.blur} pixels of blur")
    if (hires := request.hires) is not None:
        by = (
            f"from its {hires.enlarger}"
            if hires.upscaler is None
            else f"by the upscaler {code(hires.upscaler)}"
        )
        lines.append(f"**Then** {hires.size} {by}, with strength {hires.strength:g}")
    lines += [f"**Steered by** {steered_by(control)}" for control in request.controls]
    if request.look is not None:
        lines.append(f"**Look** of a picture, with weight {request.look.weight:g}")
    lines += _enlarged(request)
    return lines + _varied(request)


def steered_by(control: Control) -> str:
    """A control, for people."""
    is_always = (control.start, control.end) == (0, 1)
    when = "" if is_always else f", from {control.start:.0%} to {control.end:.0%} of the steps"
    made = "a control picture that was brought" if control.preprocessor is None else control.preprocessor
    return f"{code(control.model)}: {made}, with weight {control.weight:g}{when}"


def _enlarged(request: GenerationRequest) -> list[str]:
    if (upscale := request.upscale) is None:
        return []
    return [f"**Made larger** {upscale.factor:g} times by {code(upscale.upscaler)}, to {upscale.size}"]


def _learned(request: GenerationRequest, shelf: Shelf) -> list[str]:
    """The words in its prompts that were learned beside the model."""
    if (model := shelf.by_source(request.model)) is None:
        return []
    texts = [words_of(text) for words in request.wordings for text in (words.prompt, words.negative_prompt)]
    if not (used := shelf.embeddings.used(texts, model.text_widths)):
        return []
    return [f"**Learned words** {', '.join(code(each.word) for each in used[:MAX_NAMED])}"]


def _varied(request: GenerationRequest) -> list[str]:
    """The variations, a line each; of very many the last."""
    if not request.variations:
        return []
    *before, last = request.variations
    lines = [f"**Varied** by {each.strength:g} towards seed `{each.seed}`" for each in before[-VARIATIONS:]]
    if more := len(before[:-VARIATIONS]):
        lines.insert(0, f"**Varied** {'once' if more == 1 else f'{more} times'} before that")
    seeds = [request.image(index).variations[-1].seed for index in range(request.count)]
    whose = "seed" if len(seeds) == 1 else "seeds, one for each picture:"
    said = ", ".join(f"`{seed}`" for seed in seeds)
    return [*lines, f"**Varied** by {last.strength:g} towards {whose} {said}"]


def command_line(request: GenerationRequest, shelf: Shelf) -> str | None:
    """The /imagine that draws exactly this again, to be pasted; None if none does: its model is gone, say."""
    model = shelf.by_source(request.model)
    if model is None or request.start is not None or len(request.variations) > 1 or request.controls:
        return None
    if request.upscale is not None or request.look is not None:
        return None

    def one_line(text: str) -> str:
        return " ".join(text.split())

    words = request.template or Wording(prompt=request.prompt, negative_prompt=request.negative_prompt)
    parts = [f"/imagine prompt:{one_line(words.prompt)}"]
    if words.negative_prompt:
        parts.append(f"negative_prompt:{one_line(words.negative_prompt)}")
    elif model.negative_prompt:
        parts.append(f"negative_prompt:{NOTHING}")
    if shelf.several:
        parts.append(f"model:{model.name}")
    parts.append(f"size:{request.size} steps:{request.steps} guidance:{request.guidance:.15g}")
    if request.sampler != OWN_SAMPLER:
        parts.append(f"sampler:{request.sampler}")
    parts.append(f"seed:{request.seed}")
    if request.count > 1:
        parts.append(f"count:{request.count}")
    if request.adapters:
        parts.append(f"lora:{option(request.adapters)}")
    if request.clip_skip != model.defaults.clip_skip:
        parts.append(f"clip_skip:{request.clip_skip}")
    if (hires := request.hires) is not None:
        factor = hires.size.width / request.size.width
        is_allowed = LEAST_HIRES <= factor <= MOST_HIRES
        if not is_allowed or larger_size(request.size, factor, model) != hires.size:
            return None
        parts.append(f"hires:{factor:.15g} hires_strength:{hires.strength:.15g}")
        parts.append(f"hires_by:{hires.upscaler or hires.enlarger}")
    if len(request.variations) == 1:
        variation = request.variations[0]
        parts.append(f"variation_seed:{variation.seed} variation_strength:{variation.strength:.15g}")
    return " ".join(parts)
