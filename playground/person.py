"""A person at their client: asks, presses, reads and waits, over real HTTP and a real websocket."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from playground import bodies, reading
from playground.bodies import File, PersonError, filename
from playground.components import BUTTON, SELECTS
from playground.nouns import Json

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds that waiting takes at most, if nothing else is said."""


class RefusedError(PersonError):
    """The server refused what was sent; `status` is HTTP's and `code` Discord's."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(reading.explain(status, body))
        self.status = status
        self.body = body
        self.code: int = body.get("code", 0) if isinstance(body, dict) else 0


class InteractionFailed(PersonError):  # noqa: N818 - the gateway's own word for it
    """The bot did not answer in time."""


class NothingHappened(PersonError):  # noqa: N818 - reads as what it says
    """What was waited for did not come."""


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


class Person:
    """One person, logged in. `async with Person(api=..., gateway=..., token=...) as anna:`

    `seen` holds the newest state of every message they were shown since they logged in (by id), `events`
    all that the gateway said. `channel_id` is where they are: the first channel, or what was given.
    """

    def __init__(self, *, api: str, gateway: str, token: str, channel_id: str | None = None) -> None:
        self.api = api
        self.gateway = gateway
        self.token = token
        self.channel_id = channel_id or ""
        self.seen: dict[str, Json] = {}
        self.deleted: set[str] = set()
        self.events: list[tuple[str, Json]] = []
        self._pending: dict[str, _Pending] = {}
        self._commands: list[Json] | None = None
        self._changed = asyncio.Event()
        self._gone: str | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": self.token}
        self._http = aiohttp.ClientSession(headers=headers)
        try:
            self._socket = await self._http.ws_connect(f"{self.gateway}?v=10&encoding=json", max_msg_size=0)
            hello = await self._socket.receive_json()
            properties = {"os": "linux", "browser": "playground", "device": ""}
            await self._send(2, {"token": self.token, "properties": properties})
            frame = await self._socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise PersonError(f"The gateway did not let this person in: {frame.extra or frame.data}.")
            self._take(json.loads(frame.data))
        except BaseException:
            await self._http.close()
            raise
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._beat(hello["d"]["heartbeat_interval"] / 1000)),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        await self._http.close()

    # Who I am

    @property
    def id(self) -> str:
        return str(self.ready["user"]["id"])

    @property
    def name(self) -> str:
        return str(self.ready["user"]["global_name"])

    @property
    def bot(self) -> Json:
        """The bot's user."""
        return next(user for user in self.ready["users"] if user.get("bot"))

    @property
    def guild(self) -> Json:
        guild: Json = self.ready["guilds"][0]
        return guild

    def channel(self, name: str) -> str:
        """The id of a channel of the server, by its name."""
        for channel in self.guild["channels"]:
            if channel["name"] == name:
                return str(channel["id"])
        raise PersonError(f"{self.name} sees no channel #{name}.")

    async def direct_messages(self) -> str:
        """The id of the direct messages with the bot, opened if need be."""
        body = {"recipients": [self.bot["id"]]}
        return str((await self.request("POST", "/users/@me/channels", body))["id"])

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
        """Send an open modal; `values` by label or custom_id. What is not named keeps what was in it."""
        modal = asked.modal if isinstance(asked, Asked) else asked
        if modal is None:
            raise PersonError("The bot's answer was not a modal, so there is nothing to submit.")
        data = bodies.modal(modal, values or {})
        return await self._interact(self._body(5, modal["channel_id"], data), [], timeout)

    # Reading

    async def message(
        self,
        matches: Callable[[Json], object],
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Json:
        """The newest message that matches, as it is now, or as soon as one is sent or changed to match."""

        def newest() -> Json | None:
            return next((m for m in sorted(self.seen.values(), key=_newest_first) if matches(m)), None)

        return await self.until(newest, timeout=timeout)

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

    async def until(
        self,
        condition: Callable[[], T | None],
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> T:
        """What `condition` returns as soon as it is true; it is asked after everything that happens."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := condition()):
                    if self._gone is not None:
                        raise PersonError(self._gone)
                    await self._changed.wait()
                return value
        except TimeoutError:
            newest = sorted(self.seen.values(), key=_newest_first)[:3]
            said = " | ".join(reading.text_of(message)[:200] for message in newest) or "nothing"
            raise NothingHappened(
                f"What {self.name} waited for did not happen within {timeout:g} s. Newest messages: {said}"
            ) from None

    async def messages(self, channel_id: str | None = None, *, limit: int = 50) -> list[Json]:
        """The channel's history, newest first, as the server gives it to anyone."""
        found: list[Json] = await self.request(
            "GET", f"/channels/{channel_id or self.channel_id}/messages?limit={limit}"
        )
        return found

    async def fetch(self, attachment: Json | str) -> bytes:
        """The bytes of an attachment, from its address."""
        url = attachment if isinstance(attachment, str) else attachment["url"]
        async with self._http.get(url) as response:
            content = await response.read()
            if response.status != 200:
                raise RefusedError(response.status, content.decode(errors="replace"))
            return content

    # Writing

    async def say(
        self, content: str, *, channel_id: str | None = None, files: Sequence[File] = (), **fields: object
    ) -> Json:
        path = f"/channels/{channel_id or self.channel_id}/messages"
        said: Json = await self.request("POST", path, {"content": content, **fields}, files)
        return said

    async def delete(self, message: Json) -> None:
        await self.request("DELETE", f"/channels/{message['channel_id']}/messages/{message['id']}")

    async def commands(self) -> list[Json]:
        """The commands this person may use."""
        if self._commands is None:
            self._commands = await self.request("GET", f"/applications/{self.bot['id']}/commands")
        return self._commands

    async def request(self, method: str, path: str, body: object = None, files: Sequence[File] = ()) -> Any:
        """Any request to the API as this person; raises `RefusedError`."""
        data: Any = None
        headers = {}
        if files:
            data = aiohttp.FormData(quote_fields=False)
            data.add_field("payload_json", json.dumps(body), content_type="application/json")
            for index, file in enumerate(files):
                content = file.read_bytes() if isinstance(file, Path) else file[1]
                data.add_field(f"files[{index}]", content, filename=filename(file))
        elif body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        async with self._http.request(method, self.api + path, data=data, headers=headers) as response:
            answer = await response.json() if response.content_type == "application/json" else None
            if response.status == 429 and isinstance(answer, dict):
                await asyncio.sleep(answer["retry_after"])
            elif response.status >= 400:
                raise RefusedError(response.status, answer)
            else:
                return answer
        return await self.request(method, path, body, files)

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
        if any(channel["id"] == place for channel in self.guild["channels"]):
            body["guild_id"] = self.guild["id"]
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
        pending = _Pending(asyncio.get_running_loop().create_future())
        self._pending[body["nonce"]] = pending
        try:
            yield pending
        finally:
            del self._pending[body["nonce"]]

    async def _send(self, op: int, data: object) -> None:
        await self._socket.send_json({"op": op, "d": data})

    async def _beat(self, interval: float) -> None:
        while True:
            await self._send(1, None)
            await asyncio.sleep(interval)

    async def _listen(self) -> None:
        async for frame in self._socket:
            self._take(json.loads(frame.data))
        self._gone = f"{self.name}'s connection to the gateway was closed ({self._socket.close_code})."
        for pending in self._pending.values():
            if not pending.done.done():
                pending.done.set_exception(PersonError(self._gone))
        self._notify()

    def _take(self, payload: Json) -> None:
        name, data = payload["t"], payload["d"]
        if name is None:
            return
        self.events.append((name, data))
        match name:
            case "READY":
                self.ready = data
                self.channel_id = self.channel_id or data["guilds"][0]["channels"][0]["id"]
            case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                self.seen[data["id"]] = data
            case "MESSAGE_DELETE":
                self.seen.pop(data["id"], None)
                self.deleted.add(data["id"])
            case "GUILD_APPLICATION_COMMAND_INDEX_UPDATE":
                self._commands = None
            case "INTERACTION_SUCCESS" | "INTERACTION_FAILURE":
                self._settle(name, data)
            case "INTERACTION_MODAL_CREATE":
                if data["nonce"] in self._pending:
                    self._pending[data["nonce"]].modal = data
            case "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE":
                if data["nonce"] in self._pending:
                    self._pending[data["nonce"]].choices = data["choices"]
                    self._pending[data["nonce"]].done.set_result("")
        self._notify()

    def _settle(self, name: str, data: Json) -> None:
        pending = self._pending.get(data["nonce"])
        if pending is None or pending.done.done():
            return
        if name == "INTERACTION_SUCCESS":
            pending.done.set_result(data["id"])
        else:
            pending.done.set_exception(
                InteractionFailed("This interaction failed: the bot did not respond within 3 seconds.")
            )

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _newest_first(message: Json) -> int:
    return -int(message["id"])
