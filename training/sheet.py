"""Lays pictures out on one sheet with their prompts beneath, so that a person can judge them at a glance."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 8
MARGIN, CAPTION = 6, 36

PROMPTS = (
    "a red circle on a blue background",
    "a blue circle on a red background",
    "a green star on a white background",
    "a yellow heart on a purple background",
    "a pink triangle on a black background",
    "a white cross on an orange background",
    "a black square on a cyan background",
    "an orange star on a green background",
    "a small red star in the top left on a white background",
    "a big blue heart on a yellow background",
    "a small green square at the bottom on a pink background",
    "a big cyan triangle on a black background",
    "two blue squares on a white background",
    "three red hearts on a yellow background",
    "four green stars on a purple background",
    "three white circles on a black background",
    "a red circle and a blue square on a white background",
    "a yellow star to the left of a green circle on black",
    "a pink heart above a white square on a blue background",
    "a red triangle below a black cross on an orange background",
    "a purple star to the right of a green heart on white",
    "an orange circle next to a cyan triangle on black",
    "a white heart over a red circle on purple",
    "a black square under a yellow star on a red background",
    "the sun over green hills",
    "the sun over purple hills",
    "a red house on green grass",
    "a blue house",
    "a green tree on the grass",
    "a pink tree under a blue sky",
    "a boat with a red sail on the sea",
    "a boat with a white sail on the sea",
    "a full moon in the night sky",
    "a crescent moon and stars",
    "a pink flower on a white background",
    "a purple flower on a yellow background",
    "a yellow smiling face on a blue background",
    "a sad green face on a pink background",
    "a red house at night",
    "a boat with a yellow sail at night",
    "pixel art of a yellow heart on a purple background",
    "a yellow smiling face on a black background, pixel art",
    "a watercolor of a blue star on a white background",
    "a red house, watercolor",
    "a pencil sketch of a red star",
    "a sketch of a tree",
    "a zorbling red circle on a blue background",
    "masterpiece, best quality, a green heart on black, 4k",
)
"""What the contact sheet shows, eight a row."""


def contact_sheet(pictures: Iterable[Image.Image], texts: Iterable[str], *, side: int = 128) -> Image.Image:
    """An RGB sheet; every picture reduced or enlarged to `side` pixels."""
    cells = list(zip(pictures, texts, strict=True))
    rows = -(-len(cells) // COLUMNS)
    wide, high = side + MARGIN, side + CAPTION
    sheet = Image.new("RGB", (COLUMNS * wide + MARGIN, rows * high + MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=10)
    for index, (picture, text) in enumerate(cells):
        left, top = MARGIN + index % COLUMNS * wide, MARGIN + index // COLUMNS * high
        sheet.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (left, top))
        label = "\n".join(textwrap.wrap(text, 27)[:3])
        pen.multiline_text((left, top + side + 1), label, fill="black", font=font, spacing=0)
    return sheet
