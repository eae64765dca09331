"""python -m bot: open the rooms in order, serve until told to stop, close them in reverse."""

from __future__ import annotations

import gc

gc.disable()  # all of this stays: to look it through for garbage meanwhile takes a tenth of the time

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import NoReturn

import discord
import yarl

from bot.app import Atelier
from bot.boards import Board
from bot.curating import Curator
from bot.delivery import Courier
from bot.house import House
from bot.learning import Learner
from bot.letters import Letters
from bot.limits import Limits, Places
from bot.logs import log_to_stderr
from bot.models import add_arguments, look_after
from bot.moderation import Desk
from bot.owners import Owners
from bot.refusals import UNREACHABLE
from bot.retention import Retention
from bot.settings import Settings, SettingsError, read_settings
from bot.showing import shown_in_the_web
from generation import loras
from generation.backends.process import ProcessBackend
from generation.chores import beside
from generation.controlnets import ControlFolders, control_folders
from generation.embeddings import SHIPPED, Embeddings
from generation.estimating import Estimates, Experience
from generation.hold import Hold
from generation.loadtimes import LoadTimes
from generation.loras import BrokenLora, Loras
from generation.modelfiles import UnreadableModel
from generation.prompting.wildcards import Wildcards
from generation.shelf import Shelf, read_shelf
from generation.studio import Studio
from generation.upscalers import Upscalers
from storage.boards import Boards
from storage.database import Database, DatabaseUnusable
from storage.deliveries import Deliveries
from storage.durations import Durations
from storage.eras import Eras
from storage.exhibits import Exhibits
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
from storage.room import Room
from storage.servers import Servers
from storage.styles import Styles
from storage.thumbnails import Thumbnails

gc.freeze()
gc.enable()

log = logging.getLogger("bot")


class CannotServe(Exception):  # noqa: N818 - the message is a sentence for the owner
    """The bot cannot start, or cannot go on, until the owner changes something."""


async def serve(settings: Settings) -> None:
    """Be the bot until this is cancelled.

    Raises:
        CannotServe, SettingsError, UnreadableModel, DatabaseUnusable: a sentence says why.
    """
    token = settings.token
    safety = settings.owner_safety
    wildcards = Wildcards(settings.wildcards_folder)
    upscalers = await asyncio.to_thread(_upscalers, settings)
    controlnets = await asyncio.to_thread(_controlnets, settings)
    models = await asyncio.to_thread(_shelf, settings)
    shelf = models.within(pixels=settings.max_pixels, steps=settings.max_steps)
    discord.http.Route.BASE = settings.discord_api_url.rstrip("/")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
    limits = Limits(
        waiting=settings.max_waiting,
        waiting_per_person=settings.max_waiting_per_person,
        pixels=settings.max_pixels,
        steps=settings.max_steps,
        pictures_per_day=settings.max_pictures_per_day,
        weight=settings.max_weight,
    )
    async with AsyncExitStack() as rooms:
        _make_folder(settings)
        database = await rooms.enter_async_context(Database.open(settings.data_dir / "atelier.db"))
        pictures = Pictures(database, settings.data_dir / "pictures")
        await rooms.enter_async_context(beside(partial(_sweep, pictures), name="sweep"))
        jobs, deliveries = Jobs(database, pictures), Deliveries(database)
        if given_up := await jobs.give_up_outdated():
            log.warning("gave up %d requests of before, which today's rules refuse", given_up)
        client = await rooms.enter_async_context(
            Atelier(
                guild_id=settings.guild_id,
                choose_model=shelf.several,
                take_looks=any(model.ip_adapter is not None for model in shelf.models),
                describes=settings.describer_folder is not None,
            )
        )
        await _login(client, token, settings.discord_api_url)
        backend = ProcessBackend(
            model=settings.model,
            models=settings.models_file,
            memory=settings.model_memory,
            unload_after=None if settings.unload_after is None else settings.unload_after * 60,
            device=settings.device,
            dtype=settings.dtype,
            batch=settings.batch,
            calibration=settings.data_dir / "calibration.json",
            compiled=settings.data_dir / "compiled" if settings.compile else None,
            graphs=settings.cuda_graphs,
            safety_checker=safety.checker,
            safety_fetch=safety.may_fetch,
            folders={
                "loras": settings.loras_folder,
                "embeddings": settings.embeddings_folder,
                "controlnets": settings.controlnets_folder,
                "depth": settings.depth_folder,
                "describer": settings.describer_folder,
                "pose": settings.pose_folder,
                "people": settings.people_folder,
                "upscalers": settings.upscalers_folder,
            },
        )
        pauses = Pauses(database)
        hold = Hold.PAUSED if await pauses.is_paused() else Hold.NONE
        studio = Studio([backend], jobs, hold=hold)
        people = await People.opened(database)
        privacy = Privacy(database, pictures, people)
        durations = Durations(database)
        await rooms.enter_async_context(durations.writing())
        experience = Experience(await durations.newest())
        load_times = LoadTimes(experience, durations.note)
        estimates = Estimates(studio.left, experience, durations.note, load_times.wait)
        servers, reviews = await Servers.opened(database), Reviews(database)
        courier = Courier(
            Letters(client, deliveries, people),
            shelf=shelf,
            jobs=jobs,
            pictures=pictures,
            deliveries=deliveries,
            cancel=studio.cancel,
            watch=studio.watch if settings.previews else None,
            estimate=estimates.seconds,
            shares=servers.has_gallery,
        )
        gallery, hangings, eras = Gallery(database), Hangings(database), Eras(database)
        boards, reports = Boards(database), Reports(database)
        board = Board(client, boards=boards, eras=eras, servers=servers)
        curator = Curator(
            client,
            shelf=shelf,
            gallery=gallery,
            eras=eras,
            hangings=hangings,
            exhibits=Exhibits(database),
            jobs=jobs,
            pictures=pictures,
            servers=servers,
            reports=reports,
            board=board,
        )
        desk = Desk(client, jobs=jobs, pictures=pictures, reviews=reviews, servers=servers, courier=courier)
        places = Places(limits, studio)
        client.house = House(
            shelf=shelf,
            wildcards=wildcards,
            upscalers=upscalers,
            controlnets=controlnets,
            limits=limits,
            places=places,
            jobs=jobs,
            pictures=pictures,
            deliveries=deliveries,
            styles=Styles(database),
            servers=servers,
            people=people,
            history=History(database),
            quotas=Quotas(database),
            pauses=pauses,
            owners=Owners(client),
            privacy=privacy,
            reviews=reviews,
            gallery=gallery,
            eras=eras,
            finder=Finder(database),
            lineages=Lineages(database),
            reports=reports,
            boards=boards,
            hangings=hangings,
            thumbnails=Thumbnails(pictures),
            safety=safety,
            studio=studio,
            courier=courier,
            desk=desk,
            curator=curator,
            describe=None if settings.describer_folder is None else backend.describe,
        )

        def correct(shelf: Shelf) -> None:
            client.house = replace(client.house, shelf=shelf)
            courier.shelf = curator.shelf = shelf

        studio.listen(lambda event: estimates.hear(event, time.monotonic()))
        studio.listen(courier.hear)
        studio.listen(desk.hear)
        studio.overhear(load_times.hear)
        studio.overhear(Learner(models, limits, correct).hear)
        await rooms.enter_async_context(courier)
        await rooms.enter_async_context(desk)
        for look, name in ((curator.keep_looking, "gallery"), (board.keep_looking, "boards")):
            await rooms.enter_async_context(beside(partial(_once_ready, client, look), name=name))
        retention = Retention(servers, pictures, Room(database, pictures), privacy, desk, curator)
        await rooms.enter_async_context(beside(retention.keep_looking, name="retention"))
        await rooms.enter_async_context(studio)
        await rooms.enter_async_context(shown_in_the_web(settings, client, database))
        rooms.push_async_callback(places.none_promised)
        await _answer(client)


async def _once_ready(client: Atelier, look: Callable[[], Awaitable[NoReturn]]) -> NoReturn:
    """Look after what stands in channels as soon as these are known: a forum is written to otherwise."""
    await client.wait_until_ready()
    await look()


def _shelf(settings: Settings) -> Shelf:
    """The models that people may choose from."""
    file = settings.models_file
    shelf = Shelf.one(settings.model) if file is None else read_shelf(file)
    shelf = replace(
        shelf,
        embeddings=Embeddings(settings.embeddings_folder, SHIPPED),
        loras=Loras(settings.loras_folder, loras.SHIPPED),
    )
    shelf.embeddings.refresh()
    for lora in shelf.loras.look():
        if isinstance(lora, BrokenLora):
            log.warning("%s", lora.problem)
    for model in shelf.models:
        by_default = ", which draws for who chooses none" if shelf.several and model is shelf.default else ""
        log.info("drawing with %s%s. %s", model.name, by_default, model.note or "")
    return shelf


def _controlnets(settings: Settings) -> ControlFolders:
    """Those that people may choose from; those that cannot be used are told in the log."""
    folders = control_folders(
        settings.controlnets_folder, depth=settings.depth_folder, pose=settings.pose_folder
    )
    for broken in folders.look().broken:
        log.warning("%s", broken.problem)
    return folders


def _upscalers(settings: Settings) -> Upscalers:
    """The owner's upscalers; those that cannot be used are told in the log, and the others can."""
    upscalers = Upscalers(settings.upscalers_folder)
    for file in upscalers.survey():
        if file.problem is not None:
            log.warning("%s", file.problem)
    return upscalers


def _make_folder(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotServe(
            f"DATA_DIR is {settings.data_dir}, which cannot be written to: {error.strerror}."
        ) from error


async def _sweep(pictures: Pictures) -> None:
    """Remove the picture files that a crash left without an owner."""
    try:
        if removed := await pictures.sweep():
            log.info("removed %d picture files that a crash had left over", removed)
    except (OSError, DatabaseUnusable) as error:
        log.warning("could not look for left-over picture files: %s", error)


async def _login(client: Atelier, token: str, api: str) -> None:
    try:
        await client.login(token)
    except discord.LoginFailure as error:
        raise CannotServe(
            "Discord does not accept DISCORD_TOKEN; copy the bot's token again from "
            "https://discord.com/developers/applications, Bot, Reset Token."
        ) from error
    except discord.HTTPException as error:
        raise CannotServe(f"Discord refused the bot's start: it answered {error.status}.") from error
    except UNREACHABLE as error:
        raise CannotServe(f"Discord cannot be reached at {api}; check the network, and try again.") from error


async def _answer(client: Atelier) -> None:
    """Connect, and offer the commands once they can be answered. Serves until cancelled."""
    try:
        async with (
            beside(partial(_connect, client), name="gateway") as connection,
            beside(client.connected.wait, name="first connection") as connected,
        ):
            await asyncio.wait((connection, connected), return_when=asyncio.FIRST_COMPLETED)
            if not connection.done():
                await client.register()
            await connection
    except discord.HTTPException as error:
        raise CannotServe(f"Discord did not take the bot's commands: it answered {error.status}.") from error
    except UNREACHABLE as error:
        raise CannotServe("Discord could not be reached to register the bot's commands.") from error


async def _connect(client: Atelier) -> None:
    """Listen to the gateway; the client reconnects by itself as often as it takes."""
    try:
        await client.connect()
    except discord.PrivilegedIntentsRequired as error:
        raise CannotServe("Discord does not allow this bot the intents that it asks for.") from error
    except discord.ConnectionClosed as error:
        raise CannotServe(f"Discord ended the connection for good, with code {error.code}.") from error
    except AttributeError as error:
        # discord.py asks a connection that it never had for its sequence number.
        if client.ws is not None:
            raise
        raise CannotServe("Discord's gateway cannot be reached; check the network, and try again.") from error


async def main() -> int:
    """Run until a signal comes; the exit status."""
    stopped = asyncio.Event()
    serving: asyncio.Task[None] | None = None

    def stop() -> None:
        if serving is not None and not stopped.is_set():
            serving.cancel()
        stopped.set()

    _on_signals(stop)
    try:
        settings = read_settings()
        log_to_stderr(settings.log_level)
        serving = asyncio.create_task(serve(settings), name="serve")
        await serving
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    except (CannotServe, SettingsError, UnreadableModel, DatabaseUnusable) as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    log.info("closed")
    return 0


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Be the bot, until Ctrl-C.")
    jobs = parser.add_subparsers(dest="job", title="instead of that")
    add_arguments(jobs.add_parser("models", help="look at the models, or add one"))
    options = parser.parse_args()
    return look_after(options) if options.job == "models" else asyncio.run(main())


if __name__ == "__main__":
    raise SystemExit(_run())
