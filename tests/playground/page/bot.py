"""A small discord.py bot that shows the page everything a bot can: no model, answers at once."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import yarl
from discord import app_commands, ui
from discord.gateway import DiscordWebSocket
from discord.http import Route
from PIL import Image

from playground.server import Playground

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "black", "white")
SAMPLERS = ("Euler", "Euler a", "DDIM", "DPM++ 2M Karras")
SIZES = [app_commands.Choice(name="Square", value="1:1"), app_commands.Choice(name="Wide", value="3:2")]


def picture(prompt: str, name: str = "picture.png", *, size: tuple[int, int] = (128, 128)) -> discord.File:
    """One colour all over: the first that the prompt names, else grey."""
    colour = next((word for word in prompt.split() if word in COLOURS), "gray")
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    content.seek(0)
    return discord.File(content, name, description=f"A picture of {prompt}"[:1024])


class Form(ui.Modal, title="Change it"):
    prompt: ui.Label[Form] = ui.Label(
        text="Prompt", description="What to draw", component=ui.TextInput(max_length=60, min_length=3)
    )
    sampler: ui.Label[Form] = ui.Label(
        text="Sampler",
        component=ui.Select(options=[discord.SelectOption(label=name, value=name) for name in SAMPLERS]),
    )
    form: ui.Label[Form] = ui.Label(
        text="Format",
        component=ui.RadioGroup(
            options=[discord.RadioGroupOption(label=name, value=name.lower()) for name in ("PNG", "WebP")]
        ),
    )
    start: ui.Label[Form] = ui.Label(text="Start from", component=ui.FileUpload(required=False))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        prompt, sampler, form, start = (
            label.component for label in (self.prompt, self.sampler, self.form, self.start)
        )
        assert isinstance(prompt, ui.TextInput)
        assert isinstance(sampler, ui.Select)
        assert isinstance(form, ui.RadioGroup)
        assert isinstance(start, ui.FileUpload)
        names = ", ".join(file.filename for file in start.values) or "nothing"
        said = f"{prompt.value} | {sampler.values[0]} | {form.value} | {names}"
        await interaction.response.send_message(said)


class Press(ui.Button["Card"]):
    """What its label says."""

    async def callback(self, interaction: discord.Interaction) -> None:
        assert self.view is not None
        match self.label:
            case "Reroll":
                await interaction.response.defer()
                again = Card(f"{self.view.prompt} again", ["again.png"])
                await interaction.followup.send(view=again, file=picture(self.view.prompt, "again.png"))
            case "Settings":
                await interaction.response.send_modal(Form())
            case "Delete":
                await interaction.response.defer()
                await interaction.delete_original_response()
            case other:
                raise AssertionError(f"no such button: {other}")


class Card(ui.LayoutView):
    def __init__(self, prompt: str, files: list[str]) -> None:
        super().__init__(timeout=None)
        self.prompt = prompt
        gallery = ui.MediaGallery["Card"](
            *(
                discord.MediaGalleryItem(f"attachment://{name}", description=f"A picture of {prompt}")
                for name in files
            )
        )
        title = ui.TextDisplay["Card"](f"**{discord.utils.escape_markdown(prompt)}**")
        self.add_item(ui.Container(title, gallery, accent_colour=0x5B63E6))
        styles = {
            "Reroll": discord.ButtonStyle.primary,
            "Settings": discord.ButtonStyle.secondary,
            "Delete": discord.ButtonStyle.danger,
        }
        self.add_item(ui.ActionRow(*(Press(label=label, style=style) for label, style in styles.items())))


class Choice(ui.View):
    @ui.select(
        placeholder="Choose a sampler", options=[discord.SelectOption(label=name) for name in SAMPLERS]
    )
    async def sampler(self, interaction: discord.Interaction, select: ui.Select[Choice]) -> None:
        await interaction.response.send_message(f"You chose {select.values[0]}.")

    @ui.select(cls=ui.UserSelect, placeholder="Choose people", max_values=2)
    async def people(self, interaction: discord.Interaction, select: ui.UserSelect[Choice]) -> None:
        names = " and ".join(user.display_name for user in select.values)
        await interaction.response.send_message(f"You chose {names}.")


class German(app_commands.Translator):
    """One sentence in German."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        german = {"Draw a picture": "Malt ein Bild"}
        return german.get(string.message) if locale is discord.Locale.german else None


class PageBot(discord.Client):
    """`gate` holds back the answer of /slow until a test opens it."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.tree = app_commands.CommandTree(self)
        self.gate = asyncio.Event()
        self.heard: list[dict[str, object]] = []

    async def setup_hook(self) -> None:
        add_commands(self)
        await self.tree.set_translator(German())
        await self.tree.sync()


def add_commands(bot: PageBot) -> None:
    @bot.tree.command(description="Draw a picture")
    @app_commands.describe(prompt="What to draw", steps="How often to look again", sampler="Which way to go")
    @app_commands.choices(size=SIZES)
    async def imagine(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 200],
        size: str | None = None,
        steps: app_commands.Range[int, 1, 50] | None = None,
        sampler: str | None = None,
        private: bool = False,
        image: discord.Attachment | None = None,
        count: app_commands.Range[int, 1, 10] = 1,
    ) -> None:
        given = {"prompt": prompt, "size": size, "steps": steps, "sampler": sampler, "private": private}
        bot.heard.append({**given, "image": image.filename if image else None, "count": count})
        await interaction.response.defer(thinking=True, ephemeral=private)
        names = [f"picture{number}.png" for number in range(count)]
        files = [picture(prompt, name) for name in names]
        await interaction.edit_original_response(view=Card(prompt, names), attachments=files)

    @imagine.autocomplete("sampler")
    async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [
            app_commands.Choice(name=name, value=name.lower())
            for name in SAMPLERS
            if typed.lower() in name.lower()
        ]

    @bot.tree.command(description="Tell only you")
    async def secret(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("A secret.", ephemeral=True)

    @bot.tree.command(description="Take a while")
    async def slow(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await bot.gate.wait()
        await interaction.edit_original_response(content="There you are.")

    @bot.tree.command(description="Say nothing at all")
    async def silent(interaction: discord.Interaction) -> None:
        bot.heard.append({"silent": True})

    @bot.tree.command(description="Say something as it is")
    async def say(
        interaction: discord.Interaction,
        text: str,
        to: discord.Member | None = None,
        where: discord.TextChannel | None = None,
        role: discord.Role | None = None,
        amount: float | None = None,
    ) -> None:
        names = [thing.name for thing in (to, where, role) if thing]
        bot.heard.append({"text": text, "names": names, "amount": amount})
        await interaction.response.send_message(text, allowed_mentions=discord.AllowedMentions.none())

    @bot.tree.command(description="An embed and selects")
    async def classic(interaction: discord.Interaction) -> None:
        embed = discord.Embed(title="Settings of *this*", description="A **description**", colour=0xFF8800)
        embed.add_field(name="Steps", value="20").add_field(name="Seed", value="`7`")
        embed.set_footer(text="A footer")
        await interaction.response.send_message("Words", embed=embed, view=Choice(timeout=None))

    @bot.tree.command(description="A button that nobody listens to")
    async def forgotten(interaction: discord.Interaction) -> None:
        view = ui.View(timeout=None)
        view.add_item(ui.Button(label="Nothing", style=discord.ButtonStyle.success))
        await interaction.response.send_message("Press it", view=view)
        view.stop()

    group = app_commands.Group(name="queue", description="Who waits")

    @group.command(description="Show it")
    async def show(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Nobody waits.")

    bot.tree.add_command(group)

    @bot.tree.context_menu(name="Repeat this")
    async def repeat(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"It said: {message.content}")


@asynccontextmanager
async def page_bot(playground: Playground) -> AsyncIterator[PageBot]:
    """The bot, connected to this playground. discord.py keeps its addresses for the whole process."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = playground.api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(playground.gateway.url)
    bot = PageBot()
    running = asyncio.create_task(bot.start(playground.bot_token))
    try:
        await playground.registered()
        yield bot
    finally:
        await bot.close()
        await running
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before
