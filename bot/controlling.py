"""Pictures that steer another one: which ControlNets are meant, and their pictures as files to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot import bringing
from bot.bringing import Order
from bot.options import MAX_NAMED, Typed, code, some
from generation import canvas
from generation.catalogue import ModelInfo
from generation.controlnets import NO_PREPROCESSOR, ControlNetInfo, ControlNets, Kind, Preprocessor
from generation.request import Control, Digest, InvalidRequest
from generation.sentence import say
from generation.shelf import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedControl:
    """The options about one control as they came; None: left out."""

    picture: str
    """What people call it."""
    name: str | None = None
    """Of a ControlNet, or of a kind of them."""
    preprocessor: str | None = None
    weight: float | None = None
    start: float | None = None
    end: float | None = None

    def chosen(self, known: ControlNets, model: ModelInfo) -> ControlNetInfo:
        """The ControlNet that is meant.

        Raises:
            InvalidRequest: there is none; the message is for the person.
        """
        fitting = known.for_model(model)
        if self.name is not None and (found := known.find(self.name)) is not None:
            if (reason := found.reject_reason(model)) is not None:
                raise InvalidRequest(reason)
            return found
        if not fitting:
            raise InvalidRequest(
                say(
                    "I have no ControlNet for {model}. The owner can put some into the folder `controlnets`.",
                    model=code(model.name),
                )
            )
        if self.name is None:
            return next((info for info in fitting if info.kind is Kind.EDGES), fitting[0])
        if (
            kind := next((info for info in fitting if info.kind == self.name.strip().casefold()), None)
        ) is not None:
            return kind
        raise InvalidRequest(
            say(
                "I do not know the ControlNet {name}; I have {nets}.",
                name=code(self.name),
                nets=some([code(info.name) for info in fitting], MAX_NAMED),
            )
        )

    def control(self, known: ControlNets, model: ModelInfo, picture: Digest) -> Control:
        """The part of a request.

        Raises:
            InvalidRequest: it cannot be.
        """
        net = self.chosen(known, model)
        preprocessor = _preprocessor(self.preprocessor, net.kind, known)
        given = {"weight": self.weight, "start": self.start, "end": self.end}
        return Control(
            model=net.name,
            picture=picture,
            preprocessor=preprocessor,
            **{name: value for name, value in given.items() if value is not None},
        )


def _preprocessor(typed: str | None, kind: Kind, known: ControlNets) -> Preprocessor | None:
    if typed is None:
        chosen = kind.preprocessor
    elif (name := typed.strip().casefold()) == NO_PREPROCESSOR:
        chosen = None
    elif name in list(Preprocessor):
        chosen = Preprocessor(name)
    else:
        names = ", ".join(map(code, (*Preprocessor, NO_PREPROCESSOR)))
        raise InvalidRequest(
            say("I do not know the preprocessor {name}; I have {names}.", name=code(typed), names=names)
        )
    if chosen is not None and chosen not in known.preprocessors:
        raise InvalidRequest(chosen.missing)
    return chosen


def check(typed: Typed, controls: Sequence[TypedControl], known: ControlNets, shelf: Shelf) -> None:
    """Refuse what is wrong whatever the pictures show. Reads small files.

    Raises:
        InvalidRequest: it cannot be; the message is for the person.
    """
    model = typed.chosen_model(shelf)
    for control in controls:
        control.control(known, model, Digest(""))


def steered(
    typed: Typed,
    shelf: Shelf,
    known: ControlNets,
    controls: Sequence[tuple[TypedControl, bytes]],
    *,
    start: bytes | None = None,
    mask: bytes | None = None,
) -> Order:
    """The order that these pictures steer. Slow: not for the event loop.

    Args:
        start: a picture that it goes on from.
        mask: where that is drawn anew.

    Raises:
        InvalidRequest: it cannot be; the message is for the person.
    """
    model = typed.chosen_model(shelf)
    first = None
    if start is not None:
        order = bringing.started(typed, shelf, start, mask=mask, masked=mask is not None)
    else:
        control, data = controls[0]
        first = canvas.open_picture(data, what=control.picture)
        size = typed.typed_size(model) or bringing.fitting_size(first, model)
        order = Order(request=typed.request(shelf, size=size))
    files: Mapping[Digest, bytes] = order.files
    made = []
    for control, data in controls:
        # No two are open at once: a file of a few kilobytes may take hundreds of megabytes then.
        image, first = first or canvas.open_picture(data, what=control.picture), None
        whole = canvas.opaque(canvas.covering(image, order.request.size))
        del image
        digest, more = bringing.as_file(whole)
        files = {**files, **more}
        made.append(control.control(known, model, digest))
    return Order(request=replace(order.request, controls=tuple(made)), files=files)
