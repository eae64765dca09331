"""Opens the web gallery beside the bot, if its owner wants that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from bot.app import Atelier
from bot.language import languages
from bot.names import Names
from bot.settings import Settings, SettingsError
from storage.database import Database
from storage.exhibits import Exhibits
from storage.finding import Finder
from storage.thumbnails import Thumbnails


@asynccontextmanager
async def shown_in_the_web(settings: Settings, client: Atelier, database: Database) -> AsyncIterator[None]:
    """In the block what is shared can be seen on the web, of servers that want it.

    Args:
        client: its house is complete.

    Raises:
        SettingsError: a sentence says why.
    """
    if not settings.web_gallery:
        yield
        return
    # Only now: whose pictures are not on the web need not wait for what makes pages.
    from web.opening import CannotOpen, addresses, opened
    from web.site import Rooms
    from web.veil import Veil

    house, key = client.house, settings.data_dir / "web.key"
    address = settings.web_address
    try:
        veil = await asyncio.to_thread(Veil.kept_in, key)
    except OSError as error:
        raise SettingsError(f"{key} cannot be read or written: {error.strerror}.") from error
    places = addresses(veil, address)
    async with Names(client, house.styles, lambda: client.house.shelf) as names:
        rooms = Rooms(
            gallery=house.gallery,
            finder=Finder(database),
            exhibits=Exhibits(database),
            pictures=house.pictures,
            thumbnails=Thumbnails(house.pictures),
            servers=house.servers,
            names=names,
            tongues=languages(),
        )
        try:
            async with opened(rooms, places, host=settings.web_host, port=settings.web_port):
                client.house = replace(client.house, gallery_address=lambda server: f"{address}/{server}")
                yield
        except CannotOpen as error:
            raise SettingsError(str(error)) from error
