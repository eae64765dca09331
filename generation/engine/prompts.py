"""Prompts into the numbers that steer the UNet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from generation.catalogue import Family
from generation.embeddings import Embeddings
from generation.engine.adapters import Adapters, Fitted
from generation.engine.failures import CannotDraw
from generation.engine.learned import Lexicon, in_place
from generation.engine.memory import Memory
from generation.engine.models import Model, TextEncoder
from generation.engine.uploads import to_device
from generation.prompting.attention import Part, Piece, parts_of
from generation.sentence import say

MAX_CHUNKS = 8
"""Every chunk of a prompt is read by every call of the UNet."""
_KEPT = 64
"""Chunks of encoded prompts that are kept; one is 0.2 MB for SD 1 and 0.6 MB for SDXL in float32."""
_ANY = 0
"""The token whose place a vector takes: none that begins, ends or fills."""
_BACK = 20
"""A chunk that is full ends after its last comma, if that is among so many of its last tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One encoded prompt."""

    states: torch.Tensor
    """(1, chunks * tokens, width) in the model's dtype, on its device."""
    pooled: torch.Tensor | None
    """SDXL: (1, width) of the second encoder, of the first chunk."""
    tokens: int
    """How many tokens the prompt has, without the beginning and the end of each chunk."""
    chunks: int
    learned: Mapping[str, str] = field(default_factory=dict)
    """The words in it that were learned beside the model, and the hashes of their files."""


@dataclass(frozen=True, slots=True)
class _Token:
    id: int
    weight: float
    vector: torch.Tensor | None = None
    """(width,): what is read instead of the token."""
    goes_on: bool = False
    """It belongs to the word that began before it, and is not parted from that."""


_Key = tuple[str, bool, int, int, tuple[tuple[str, str], ...], Fitted]
_Chunk = list[_Token]
"""What an encoder reads at once, without beginning, end and padding; for CLIP 75 tokens at the most."""


class PromptEncoder:
    """Encodes prompts one at a time, so that the bits never depend on who else asks, and keeps some.

    Long prompts and weights are as in A1111: chunks of 75 tokens, encoded apart and put one behind the other;
    BREAK begins another one. What differs is in docs/decisions/0006-prompts-are-read-by-our-own-hand.md.
    """

    def __init__(
        self,
        model: Model,
        memory: Memory,
        lexicon: Lexicon | None = None,
        adapters: Adapters | None = None,
    ) -> None:
        """
        Args:
            lexicon: the words that were learned beside the model; None: there are none.
            adapters: what puts LoRAs in force in its text encoders; None: nothing does.
        """
        self._model = model
        self._memory = memory
        self._lexicon = lexicon or Lexicon(Embeddings(), ())
        self._adapters = adapters
        self._kept: OrderedDict[_Key, Encoded] = OrderedDict()

    def refresh(self) -> None:
        """From now on the learned words are those whose files are there at this moment."""
        self._lexicon.refresh()

    def chunks(self, text: str) -> int:
        """How many chunks a prompt fills, at least one.

        Raises:
            CannotDraw: more than are read.
            InvalidRequest: its marks cannot be read.
        """
        return max(len(chunks) for chunks in self._chunked(text))

    def encode(
        self,
        text: str,
        *,
        negative: bool = False,
        clip_skip: int = 1,
        chunks: int = 1,
        loras: Fitted = (),
    ) -> Encoded:
        """The prompt as the model wants it; one chunk without weights as diffusers has it, bit for bit.

        Args:
            clip_skip: the layer that is read, from the last, which is 1. SDXL never reads the last: there 1
                and 2 are the same.
            chunks: how many it is to have at least; empty ones follow.
            loras: that change how it is read.

        Raises:
            CannotDraw: it has more chunks than are read, or the encoder has not as many layers.
            InvalidRequest: its marks cannot be read.
        """
        pieces = [piece.text for part in parts_of(text) for piece in part]
        learned = {each.learned.word: each.hash for piece in pieces for each in self._lexicon.used(piece)}
        is_zero = negative and not text and self._model.zero_empty_negative
        key = (text, is_zero, clip_skip, chunks, tuple(learned.items()), loras)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        encoded = self._encode(text, clip_skip, chunks, loras)
        if is_zero:
            pooled = None if encoded.pooled is None else torch.zeros_like(encoded.pooled)
            encoded = replace(encoded, states=torch.zeros_like(encoded.states), pooled=pooled)
        encoded = replace(encoded, learned=learned)
        self._kept[key] = encoded
        while sum(each.chunks for each in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return encoded

    def _encode(self, text: str, clip_skip: int, least: int, loras: Fitted) -> Encoded:
        self._memory.need("text")
        if self._adapters is not None:
            self._adapters.for_texts(loras)
        model = self._model
        chunked = self._chunked(text)
        count = max(least, *(len(chunks) for chunks in chunked))
        states, pooled = [], None
        for encoder, chunks in zip(model.encoders, chunked, strict=True):
            empty: list[_Chunk] = [[]] * (count - len(chunks))
            read = [self._read(encoder, chunk, clip_skip) for chunk in chunks + empty]
            states.append(torch.cat([each for each, _ in read], dim=1))
            if read[0][1] is not None:
                pooled = read[0][1]
        return Encoded(
            states=torch.cat(states, dim=-1).to(model.dtype),
            pooled=pooled,
            tokens=max(sum(map(len, chunks)) for chunks in chunked),
            chunks=count,
        )

    def _read(
        self, encoder: TextEncoder, chunk: _Chunk, clip_skip: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A chunk's states (1, tokens, width), and (1, width) for the whole if the encoder says that."""
        model = self._model
        wide = model.info.family is Family.SDXL
        if clip_skip > (layers := int(encoder.model.config.num_hidden_layers)):
            raise CannotDraw(
                say(
                    "{model} cannot skip so much: its clip skip may be 1 to {layers}.",
                    model=model.info.name,
                    layers=layers,
                )
            )
        ids, mask = _framed(encoder, chunk)
        vectors = {
            place: token.vector for place, token in enumerate(chunk, start=1) if token.vector is not None
        }
        with in_place(encoder.model, vectors):
            output = encoder.model(
                to_device(ids, model.device),
                attention_mask=None if mask is None else to_device(mask, model.device),
                output_hidden_states=wide or clip_skip > 1,
            )
        if wide:  # the last layer but one, and what the second encoder says about the whole
            states = output.hidden_states[-max(2, clip_skip)]
        elif clip_skip > 1:
            states = _final_norm(encoder.model)(output.hidden_states[-clip_skip])
        else:
            states = output[0]
        return _weighed(states, chunk), output[0] if wide and output[0].ndim == 2 else None

    def _chunked(self, text: str) -> list[list[_Chunk]]:
        """The chunks of a prompt for each encoder."""
        parts = parts_of(text)
        chunked = [
            [chunk for part in parts for chunk in _chunks(encoder, self._tokens(part, encoder, number))]
            for number, encoder in enumerate(self._model.encoders)
        ]
        if (count := max(map(len, chunked))) > MAX_CHUNKS:
            tokens = max(sum(map(len, chunks)) for chunks in chunked)
            raise CannotDraw(
                say(
                    "The prompt is too long: {tokens} tokens in {chunks} chunks, and I read {most} chunks. "
                    "Please shorten it; emoji and other alphabets need many tokens.",
                    tokens=tokens,
                    chunks=count,
                    most=MAX_CHUNKS,
                )
            )
        return chunked

    def _tokens(self, part: Part, encoder: TextEncoder, number: int) -> list[_Token]:
        """What encoder `number` reads of a part."""
        return [token for piece in part for token in self._of_piece(piece, encoder, number)]

    def _of_piece(self, piece: Piece, encoder: TextEncoder, number: int) -> Iterator[_Token]:
        for found in self._lexicon.divided(piece.text):
            if found.learned is None:
                ids = encoder.tokenizer(found.text, add_special_tokens=False, verbose=False).input_ids
                yield from (_Token(token, piece.weight) for token in ids)
            else:
                tensor = self._lexicon.vectors(found.learned).tensors[number]
                for place, vector in enumerate(tensor):
                    yield _Token(_ANY, piece.weight, vector, goes_on=place > 0)


def _chunks(encoder: TextEncoder, tokens: list[_Token]) -> list[_Chunk]:
    """Tokens in chunks, divided as A1111 divides them; a learned word of several vectors stays whole."""
    tokenizer = encoder.tokenizer
    room = int(tokenizer.model_max_length) - 2
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    chunks = []
    while len(tokens) > room:
        end = room
        if tokens[room].goes_on:
            end = next(place for place in range(room, -1, -1) if not tokens[place].goes_on)
        elif tokens[room].id != comma:
            near = [i + 1 for i in range(max(0, room - _BACK), room) if tokens[i].id == comma]
            end = near[-1] if near else room
        chunks.append(tokens[:end])
        tokens = tokens[end:]
    return [*chunks, tokens]


def _framed(encoder: TextEncoder, chunk: _Chunk) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(1, tokens): the chunk between beginning and end, padded; and where it is not padding, for who asks."""
    tokenizer = encoder.tokenizer
    ids = [tokenizer.bos_token_id, *(token.id for token in chunk), tokenizer.eos_token_id]
    padding = int(tokenizer.model_max_length) - len(ids)
    mask = None
    if getattr(encoder.model.config, "use_attention_mask", False):
        mask = torch.tensor([[1] * len(ids) + [0] * padding])
    return torch.tensor([ids + [tokenizer.pad_token_id] * padding]), mask


def _weighed(states: torch.Tensor, chunk: _Chunk) -> torch.Tensor:
    """The states of each token times its weight, and all of them times what keeps their mean size.

    A1111 keeps the mean itself. That of some encoders is next to nothing, and what keeps it is then as large
    as chance will have it.
    """
    if all(token.weight == 1 for token in chunk):
        return states
    weights = torch.ones(states.shape[1])
    weights[1 : len(chunk) + 1] = torch.tensor([token.weight for token in chunk])
    before = states.float()
    after = before * to_device(weights, states.device)[None, :, None]
    return (after * (before.abs().mean() / after.abs().mean())).to(states.dtype)


def _final_norm(model: Any) -> Any:
    """Of a CLIP text model; transformers has moved it out of `text_model`."""
    return getattr(model, "text_model", model).final_layer_norm
