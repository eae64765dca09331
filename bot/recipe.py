"""What made a picture: all of it to be read, and as a command to be typed again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.card import Card, Tone
from bot.facts import BROUGHT, is_brought, listed, model_name
from bot.loras import lora_lines, option
from bot.markdown import literal, shortened
from bot.options import LEAST_HIRES, MAX_NAMED, MOST_HIRES, NOTHING, code, larger_size, some
from generation.job import Job
from generation.prompting.attention import words_of
from generation.request import OWN_SAMPLER, Control, Enlarger, GenerationRequest, Hires, Seed, Wording
from generation.sentence import count, say
from generation.shelf import Shelf

VARIATIONS = 4
"""Told one by one before the last."""


def settings_card(job: Job, shelf: Shelf, *, parent_link: str | None) -> Card:
    """Everything that made a picture, for the person who asked to see it."""
    request = job.request
    seeds = dict.fromkeys(request.image(index).seed for index in range(request.count))
    seeds_said = ", ".join(f"`{seed}`" for seed in seeds)
    one_seed = say("**Seed** {seed}", seed=seeds_said)
    lines: list[str] = [
        say("### Settings"),
        say("**Prompt** {prompt}", prompt=literal(shortened(request.prompt, 600))),
        say("**Model** {model}", model=literal(model_name(request, shelf))),
        say("**Size** {size}", size=request.size),
        say("**Steps** {steps}", steps=request.steps),
        say("**Guidance** {guidance:g}", guidance=request.guidance),
        say("**Sampler** {sampler}", sampler=literal(request.sampler)),
        one_seed if len(seeds) == 1 else say("**Seeds**, one for each picture: {seeds}", seeds=seeds_said),
        say("**Asked by** {who}", who=f"<@{job.asker}> <t:{int(job.created_at)}:f>"),
    ]
    if is_brought(request):
        lines = [lines[0], say("**Picture** {picture}", picture=BROUGHT), *_enlarged(request), lines[-1]]
    else:
        lines += _palette(request) + lora_lines(request, shelf) + _learned(request, shelf)
    if request.negative_prompt:
        negative = literal(shortened(request.negative_prompt, 600))
        lines.insert(2, say("**Negative prompt** {negative}", negative=negative))
    if job.parent is not None:
        lines.append(say("**Comes from** {parent}", parent=parent_link or f"`{job.parent}`"))
    lines.append(say("-# Request {job}", job=f"`{job.id}`"))
    return Card(tone=Tone.DONE, text=tuple(lines))


def _palette(request: GenerationRequest) -> list[str]:
    """What it has besides words and numbers, a line each."""
    lines: list[str] = []
    if request.style is not None:
        style = literal(request.style)
        lines.append(say("**Style** {style}, which its prompts were made with", style=style))
    if request.chosen is not None:
        lines.append(say("**Chosen** {words}", words=listed(request.chosen)))
    if request.clip_skip > 1:
        lines.append(say("**Clip skip** {layers}", layers=request.clip_skip))
    if (start := request.start) is not None:
        said = say("**Starts from** a picture, with strength {strength:g}", strength=start.strength)
        if start.enlarged:
            said = say(
                "**Starts from** a picture, made larger for this second pass, with strength {strength:g}",
                strength=start.strength,
            )
        lines.append(said)
        if start.mask is not None:
            lines.append(
                count(
                    "**Drawn anew** only inside a mask, with {number} pixel of blur",
                    "**Drawn anew** only inside a mask, with {number} pixels of blur",
                    start.blur,
                )
            )
    if (hires := request.hires) is not None:
        lines.append(_second_pass(hires))
    lines += [say("**Steered by** {control}", control=steered_by(each)) for each in request.controls]
    if request.look is not None:
        lines.append(say("**Look** of a picture, with weight {weight:g}", weight=request.look.weight))
    lines += _enlarged(request)
    return lines + _varied(request)


def _second_pass(hires: Hires) -> str:
    size, strength = hires.size, hires.strength
    if hires.upscaler is not None:
        return say(
            "**Then** {size} by the upscaler {upscaler}, with strength {strength:g}",
            size=size,
            upscaler=code(hires.upscaler),
            strength=strength,
        )
    if hires.enlarger is Enlarger.LATENTS:
        return say(
            "**Then** {size} from its latents, with strength {strength:g}", size=size, strength=strength
        )
    return say("**Then** {size} from its pixels, with strength {strength:g}", size=size, strength=strength)


def steered_by(control: Control) -> str:
    """A control, for people."""
    made = control.preprocessor or say("a control picture that was brought")
    net, weight = code(control.model), control.weight
    if (control.start, control.end) == (0, 1):
        return say("{net}: {made}, with weight {weight:g}", net=net, made=made, weight=weight)
    return say(
        "{net}: {made}, with weight {weight:g}, from {start:.0%} to {end:.0%} of the steps",
        net=net,
        made=made,
        weight=weight,
        start=control.start,
        end=control.end,
    )


def _enlarged(request: GenerationRequest) -> list[str]:
    if (upscale := request.upscale) is None:
        return []
    return [
        say(
            "**Made larger** {factor:g} times by {upscaler}, to {size}",
            factor=upscale.factor,
            upscaler=code(upscale.upscaler),
            size=upscale.size,
        )
    ]


def _learned(request: GenerationRequest, shelf: Shelf) -> list[str]:
    """The words in its prompts that were learned beside the model."""
    if (model := shelf.by_source(request.model)) is None:
        return []
    texts = [words_of(text) for words in request.wordings for text in (words.prompt, words.negative_prompt)]
    if not (used := shelf.embeddings.used(texts, model.text_widths)):
        return []
    return [say("**Learned words** {words}", words=some([code(each.word) for each in used], MAX_NAMED))]


def _varied(request: GenerationRequest) -> list[str]:
    """The variations, a line each; of very many the last."""
    if not request.variations:
        return []
    *before, last = request.variations
    lines: list[str] = [_varied_towards(each.strength, [each.seed]) for each in before[-VARIATIONS:]]
    if more := len(before[:-VARIATIONS]):
        lines.insert(0, count("**Varied** once before that", "**Varied** {number} times before that", more))
    seeds = [request.image(index).variations[-1].seed for index in range(request.count)]
    return [*lines, _varied_towards(last.strength, seeds)]


def _varied_towards(strength: float, seeds: Sequence[Seed]) -> str:
    said = ", ".join(f"`{seed}`" for seed in seeds)
    if len(seeds) == 1:
        return say("**Varied** by {strength:g} towards seed {seed}", strength=strength, seed=said)
    return say(
        "**Varied** by {strength:g} towards seeds, one for each picture: {seeds}",
        strength=strength,
        seeds=said,
    )


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
