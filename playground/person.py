"""A person at their client: asks, presses, reads and waits, over real HTTP and a real websocket."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playground import bodies, reading
from playground.bodies import File, PersonError
from playground.client import PATIENCE, Client, NothingHappened, RefusedError
from playground.components import BUTTON, SELECTS
from playground.nouns import Json

__all__ = ["Asked", "InteractionFailed", "NothingHappened", "Person", "PersonError", "RefusedError"]


class InteractionFailed(PersonError):  # noqa: N818 - the gateway's own word for it
    """The bot did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An interaction the bot has acknowledged; `modal` if its answer was to open one.

    `seconds` passed from sending it to hearing that it was acknowledged.
    """

    id: str
    modal: Json | None
    seconds: float


@dataclass(slots=True)
class _Pending:
    done: asyncio.Future[str]
    modal: Json | None = None
    choices: list[Json] | None = None


class Person(Client):
    """One person, logged in. `async with Person(api=..., gateway=..., token=...) as anna:`"""

    def __init__(self, *, api: str, gateway: str, token: str, channel_id: str | None = None) -> None:
        super().__init__(api=api, gateway=gateway, token=token, channel_id=channel_id)
        self._pending: dict[str, _Pending] = {}
        self._commands: list[Json] | None = None

    # Asking the bot

    async def command(
        self,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        channel_id: str | None = None,
        target: str | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Asked:
        """Use a command and wait until the bot has acknowledged it.

        `name` may name sub-commands ("group sub"). The value of an attachment option is a `File`.
        `target` is the id of the message or user that a context menu is used on.
        """
        data, files = bodies.command(await self.commands(), name, options or {}, target)
        return await self._interact(self._body(2, channel_id, data), files, timeout)

    async def autocomplete(
        self,
        name: str,
        focused: str,
        typed: str,
        options: Mapping[str, object] | None = None,
        *,
        channel_id: str | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> list[Json]:
        """The choices the bot offers while the option `focused` is being typed."""
        given = {**(options or {}), focused: typed}
        data, files = bodies.command(await self.commands(), name, given, None)
        bodies.focus(data, focused)
        body = self._body(4, channel_id, data)
        async with self._asking(body) as pending:
            await self._post(body, files)
            await self._patiently(pending.done, timeout, f"choices for {focused}")
            return pending.choices or []

    async def press(self, message: Json, button: str, *, timeout: float = PATIENCE) -> Asked:  # noqa: ASYNC109
        """Press a button, by its label or custom_id, wherever in the message it is."""
        part = self._component(message, button, (BUTTON,))
        data = {"component_type": part["type"], "custom_id": part["custom_id"]}
        return await self._interact(self._body(3, message["channel_id"], data, message), [], timeout)

    async def select(
        self,
        message: Json,
        select: str,
        values: Sequence[str],
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Asked:
        """Choose values of a select menu, by its custom_id or placeholder."""
        part = self._component(message, select, SELECTS)
        data = {
            "component_type": part["type"],
            "custom_id": part["custom_id"],
            "values": list(values),
        }
        return await self._interact(self._body(3, message["channel_id"], data, message), [], timeout)

    async def submit(
        self,
        asked: Asked | Json,
        values: Mapping[str, object] | None = None,
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Asked:
        """Send an open modal; `values` by label or custom_id. What is not named keeps what was in it.

        The value of a file upload is a `File`, or a list of them.
        """
        modal = asked.modal if isinstance(asked, Asked) else asked
        if modal is None:
            raise PersonError("The bot's answer was not a modal, so there is nothing to submit.")
        data, files = bodies.modal(modal, values or {})
        return await self._interact(self._body(5, modal["channel_id"], data), files, timeout)

    # Reading

    async def answer(
        self,
        asked: Asked,
        matches: Callable[[Json], object] = lambda message: not reading.is_loading(message),
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Json:
        """The message with which the bot answered, once it matches (by default: once it is not loading)."""
        return await self.message(
            lambda message: (
                message.get("interaction_metadata", {}).get("id") == asked.id and matches(message)
            ),
            timeout=timeout,
        )

    async def messages(self, channel_id: str | None = None, *, limit: int = 50) -> list[Json]:
        """The channel's history, newest first, as the server gives it to anyone."""
        found: list[Json] = await self.request(
            "GET", f"/channels/{channel_id or self.channel_id}/messages?limit={limit}"
        )
        return found

    # Writing

    async def direct_messages(self) -> str:
        """The id of the direct messages with the bot, opened if need be."""
        body = {"recipients": [self.bot["id"]]}
        return str((await self.request("POST", "/users/@me/channels", body))["id"])

    async def say(
        self, content: str, *, channel_id: str | None = None, files: Sequence[File] = (), **fields: object
    ) -> Json:
        path = f"/channels/{channel_id or self.channel_id}/messages"
        said: Json = await self.request("POST", path, {"content": content, **fields}, files)
        return said

    async def speak(self, locale: str) -> None:
        """Set the client to another language: "de", "es-ES"."""
        await self.request("PATCH", "/users/@me/settings", {"locale": locale})

    async def manage(self, channel_id: str, **changes: object) -> Json:
        """Change a channel, for whoever may: `nsfw=True`, `permission_overwrites=[…]`."""
        changed: Json = await self.request("PATCH", f"/channels/{channel_id}", changes)
        return changed

    async def remove_channel(self, channel_id: str) -> None:
        await self.request("DELETE", f"/channels/{channel_id}")

    async def delete(self, message: Json) -> None:
        await self.request("DELETE", f"/channels/{message['channel_id']}/messages/{message['id']}")

    async def commands(self, channel_id: str | None = None) -> list[Json]:
        """The commands this person may use, in this channel or (None) in the server that the bot is in."""
        if channel_id is not None:
            path = f"/applications/{self.bot['id']}/commands?channel_id={channel_id}"
            found: list[Json] = await self.request("GET", path)
            return found
        if self._commands is None:
            self._commands = await self.request("GET", f"/applications/{self.bot['id']}/commands")
        return self._commands

    # Inside

    def _component(self, message: Json, name: str, kinds: tuple[int, ...]) -> Json:
        part = reading.component(message, name, kinds)
        if part is None:
            there = ", ".join(reading.button_labels(message)) or "none"
            raise PersonError(f"The message has no {name!r} to use; its buttons: {there}.")
        return part

    def _body(self, kind: int, channel_id: str | None, data: Json, message: Json | None = None) -> Json:
        place = channel_id or self.channel_id
        body: Json = {
            "type": kind,
            "application_id": self.bot["id"],
            "channel_id": place,
            "session_id": self.ready["session_id"],
            "nonce": str(secrets.randbits(62)),
            "data": data,
        }
        if (guild := self.guild_id(place)) is not None:
            body["guild_id"] = guild
        if message is not None:
            body |= {"message_id": message["id"], "message_flags": message["flags"]}
        return body

    async def _interact(self, body: Json, files: Sequence[File], patience: float) -> Asked:
        async with self._asking(body) as pending:
            loop = asyncio.get_running_loop()
            started = loop.time()
            await self._post(body, files)
            interaction = await self._patiently(pending.done, patience, "an acknowledgement")
            return Asked(id=interaction, modal=pending.modal, seconds=loop.time() - started)

    async def _post(self, body: Json, files: Sequence[File]) -> None:
        await self.request("POST", "/interactions", body, files)

    async def _patiently(self, future: asyncio.Future[str], patience: float, what: str) -> str:
        try:
            return await asyncio.wait_for(future, patience)
        except TimeoutError:
            raise NothingHappened(f"{self.name} got no {what} within {patience:g} s.") from None

    @asynccontextmanager
    async def _asking(self, body: Json) -> AsyncIterator[_Pending]:
        if self._gone is not None:  # nothing would be heard of it
            raise PersonError(self._gone)
        pending = _Pending(asyncio.get_running_loop().create_future())
        self._pending[body["nonce"]] = pending
        try:
            yield pending
        finally:
            del self._pending[body["nonce"]]

    def heard(self, name: str, data: Json) -> None:
        if name == "GUILD_APPLICATION_COMMAND_INDEX_UPDATE":
            self._commands = None
        pending = self._pending.get(data.get("nonce") or "")
        if pending is None or pending.done.done():
            return
        match name:
            case "INTERACTION_SUCCESS":
                pending.done.set_result(data["id"])
            case "INTERACTION_FAILURE":
                pending.done.set_exception(
                    InteractionFailed("This interaction failed: the bot did not respond within 3 seconds.")
                )
            case "INTERACTION_MODAL_CREATE":
                pending.modal = data
            case "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE":
                pending.choices = data["choices"]
                pending.done.set_result("")
            case _:
                pass

    def left(self, reason: str) -> None:
        for pending in self._pending.values():
            if not pending.done.done():
                pending.done.set_exception(PersonError(reason))
