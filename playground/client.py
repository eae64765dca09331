"""A person's connection: logged in over HTTP and the gateway, with all that was seen and heard since."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp

from playground import reading
from playground.bodies import File, PersonError, filename
from playground.nouns import Json

T = TypeVar("T")
PATIENCE = 100.0
"""Seconds that waiting takes at most, if nothing else is said: a machine may be slow, or busy."""


class RefusedError(PersonError):
    """The server refused what was sent; `status` is HTTP's and `code` Discord's."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(reading.explain(status, body))
        self.status = status
        self.body = body
        self.code: int = body.get("code", 0) if isinstance(body, dict) else 0


class NothingHappened(PersonError):  # noqa: N818 - reads as what it says
    """What was waited for did not come."""


class Client:
    """A client that was let in. `async with Client(api=..., gateway=..., token=...) as client:`

    `seen` holds the newest state of every message shown since then (by id), `deleted` the ids of those that
    are gone, `events` all that the gateway said, `ready` what it said first. `channel_id` is where the
    person is: what was given, or the first channel.
    """

    ready: Json

    def __init__(self, *, api: str, gateway: str, token: str, channel_id: str | None = None) -> None:
        self.api = api
        self.gateway = gateway
        self.token = token
        self.channel_id = channel_id or ""
        self.seen: dict[str, Json] = {}
        self.deleted: set[str] = set()
        self.events: list[tuple[str, Json]] = []
        self._places: dict[str, str] = {}
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

    async def __aexit__(self, *_: object) -> None:
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
        """The server that the bot is in."""
        guild: Json = self.ready["guilds"][0]
        return guild

    def guild_id(self, channel_id: str) -> str | None:
        """The server that a channel or thread is in; None: it is a conversation."""
        return self._places.get(channel_id)

    def channel(self, name: str) -> str:
        """The id of a channel or an active thread of this person's servers, by its name."""
        for guild in self.ready["guilds"]:
            for channel in (*guild["channels"], *guild["threads"]):
                if channel["name"] == name:
                    return str(channel["id"])
        raise PersonError(f"{self.name} sees no channel #{name}.")

    # Waiting

    async def message(
        self,
        matches: Callable[[Json], object],
        *,
        timeout: float = PATIENCE,  # noqa: ASYNC109
    ) -> Json:
        """The newest message that matches, as it is now, or as soon as one is sent or changed to match."""

        def newest() -> Json | None:
            return min(filter(matches, self.seen.values()), key=_newest_first, default=None)

        return await self.until(newest, timeout=timeout)

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

    # Asking the server

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

    async def fetch(self, attachment: Json | str) -> bytes:
        """The bytes of an attachment, from its address."""
        url = attachment if isinstance(attachment, str) else attachment["url"]
        async with self._http.get(url) as response:
            content = await response.read()
            if response.status != 200:
                raise RefusedError(response.status, content.decode(errors="replace"))
            return content

    # Inside

    def heard(self, name: str, data: Json) -> None:
        """Called with every event, after it was taken note of and before those who wait look again."""

    def left(self, reason: str) -> None:
        """Called when the gateway has closed the connection."""

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
        self.left(self._gone)
        self._notify()

    def _take(self, payload: Json) -> None:
        name, data = payload["t"], payload["d"]
        if name is None:
            return
        self.events.append((name, data))
        match name:
            case "READY":
                self.ready = data
                for guild in data["guilds"]:
                    for channel in (*guild["channels"], *guild["threads"]):
                        self._places[channel["id"]] = guild["id"]
                self.channel_id = self.channel_id or data["guilds"][0]["channels"][0]["id"]
            case "CHANNEL_CREATE" | "THREAD_CREATE" if "guild_id" in data:
                self._places[data["id"]] = data["guild_id"]
            case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                self.seen[data["id"]] = data
            case "MESSAGE_DELETE":
                self.seen.pop(data["id"], None)
                self.deleted.add(data["id"])
            case "MESSAGE_DELETE_BULK":
                for gone in data["ids"]:
                    self.seen.pop(gone, None)
                    self.deleted.add(gone)
        self.heard(name, data)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _newest_first(message: Json) -> int:
    return -int(message["id"])
