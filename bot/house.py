"""The rooms that a command may walk into, and the interactions that carry the way there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import discord

from bot.limits import Limits, Places
from bot.safety import OwnerSafety
from generation.controlnets import ControlFolders
from generation.prompting.wildcards import Wildcards
from generation.shelf import Shelf
from generation.studio import Studio
from generation.upscalers import Upscalers
from storage.boards import Boards
from storage.deliveries import Deliveries
from storage.eras import Eras
from storage.finding import Finder
from storage.gallery import Gallery
from storage.hanging import Hangings
from storage.history import History
from storage.jobs import Jobs
from storage.lineage import Lineages
from storage.pauses import Pauses
from storage.people import People
from storage.pictures import Pictures
from storage.privacy import Privacy
from storage.quotas import Quotas
from storage.reports import Reports
from storage.reviews import Reviews
from storage.servers import Servers
from storage.styles import Styles
from storage.thumbnails import Thumbnails

if TYPE_CHECKING:
    from bot.app import Atelier
    from bot.curating import Curator
    from bot.delivery import Courier
    from bot.moderation import Desk
    from bot.owners import Owners

Interaction: TypeAlias = "discord.Interaction[Atelier]"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """All rooms, open."""

    shelf: Shelf
    wildcards: Wildcards
    upscalers: Upscalers
    controlnets: ControlFolders
    limits: Limits
    places: Places
    jobs: Jobs
    pictures: Pictures
    deliveries: Deliveries
    styles: Styles
    servers: Servers
    people: People
    history: History
    quotas: Quotas
    pauses: Pauses
    owners: Owners
    privacy: Privacy
    reviews: Reviews
    gallery: Gallery
    eras: Eras
    finder: Finder
    lineages: Lineages
    reports: Reports
    boards: Boards
    hangings: Hangings
    thumbnails: Thumbnails
    safety: OwnerSafety
    studio: Studio
    courier: Courier
    desk: Desk
    curator: Curator
    describe: Callable[[bytes], Awaitable[str]] | None = None
    """What is to be seen in a picture; raises CannotDescribe. None: the owner has nothing for that."""
    gallery_address: Callable[[int], str] | None = None
    """Where the gallery of a server is on the web. None: the owner has not opened it."""
