"""Has what moderators were shown of reports say what was decided, or that the post is gone."""

from __future__ import annotations

import logging

import discord

from bot.apologies import describe
from bot.gallerycards import decided_report_card, gone_report_card, reported_card
from bot.language import language_of_server
from bot.messages import NO_MENTIONS, layout
from bot.refusals import UNREACHABLE, is_final
from storage.jobs import Jobs
from storage.reports import Notice, Reports
from storage.servers import Servers

log = logging.getLogger(__name__)


class Notices:
    """The messages of reports in moderators' channels. All that is done here can be done twice."""

    def __init__(self, client: discord.Client, *, reports: Reports, jobs: Jobs, servers: Servers) -> None:
        self._client = client
        self._reports = reports
        self._jobs = jobs
        self._servers = servers

    async def bring_up_to_date(self) -> bool:
        """Take the pictures out of those that wait for nobody any more, and out of others names of who is
        forgotten; have those say so whose post is shown again. Whether all of that could be done.
        """
        done = True
        for notice in await self._reports.outdated():
            try:
                await self._tell_anew(notice)
            except (discord.HTTPException, *UNREACHABLE) as error:
                log.info("a report's message waits: %s", describe(error))
                done = False
        return done

    async def _tell_anew(self, notice: Notice) -> None:
        if notice.waits:
            card = reported_card()
        elif notice.said_hidden or notice.is_there:  # it was decided, though who reported it may be forgotten
            last = await self._reports.last(notice.server, notice.post)
            card = decided_report_card(last, notice.job_id if notice.is_hidden else None, notice.index)
        else:
            card = gone_report_card(await self._jobs.outlined(notice.job_id), notice.index)
        wanted = self._servers.readable(notice.server).language
        view = layout(card, language_of_server(self._client, notice.server, wanted))
        channel = self._client.get_partial_messageable(notice.channel_id, guild_id=notice.server)
        try:
            await channel.get_partial_message(notice.message_id).edit(
                view=view, attachments=[], allowed_mentions=NO_MENTIONS
            )
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.info("a report's message is gone, or stays as it was: %s", describe(error))
        stays = notice.waits or notice.is_hidden
        await (self._reports.told(notice) if stays else self._reports.closed(notice))
