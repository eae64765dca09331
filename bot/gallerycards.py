"""What a shared picture looks like in the chat, and what moderators see of one that was reported. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from bot.card import Action, Attached, Button, Card, Entry, Menu, Tone
from bot.cards import attached, covered
from bot.facts import facts, prompt_of
from bot.markdown import fitting, literal, mention, shortened
from generation.image import Picture
from generation.job import Job, JobId
from generation.sentence import count, joined, say
from generation.shelf import Shelf
from storage.decisions import Decided
from storage.posts import Post
from storage.reports import Decision, Report

MAX_REASONS = 5
"""Of one post that moderators are told."""
REASON = 300
"""Characters of one of them."""
TITLE = 90
"""Characters of a post's name, which a forum and a line take."""

NAME_OF_SEVERAL, TAGS_OF_SEVERAL, ALL_TAGS = 180, 140, 1000
"""Characters of markdown: five posts must have room in a message, whatever marks they hold."""

LIKE_THIS, LINEAGE, SAVE_MINE, SAVE_HERE, TAKE_OUT = "alike", "lineage", "mine", "here", "out"
"""What can be chosen beside the buttons of a post; they stand in old messages."""

_FURTHER = (
    Entry(LIKE_THIS, say("more like this")),
    Entry(LINEAGE, say("where it comes from, and what came of it")),
    Entry(SAVE_MINE, say("save its prompt as a style of yours")),
    Entry(SAVE_HERE, say("save its prompt as a style of this server")),
    Entry(TAKE_OUT, say("take it out of the gallery")),
)


def link_of(post: Post) -> str | None:
    """The address of a post's message, once there is one."""
    if post.message_id is None:
        return None
    return f"https://discord.com/channels/{post.server}/{post.channel_id}/{post.message_id}"


def name_of_post(post: Post) -> str:
    """What a post is called where it is one of several, as plain text on one line."""
    text = " ".join((post.title or post.prompt).split())
    return shortened(text, TITLE) or "…"


def post_card(
    post: Post,
    job: Job,
    picture: Picture | None,
    shelf: Shelf,
    *,
    origin: Post | None = None,
    covers: bool = False,
) -> Card:
    """A shared picture with all that can be done with it.

    Args:
        picture: None: its message has it already.
        origin: somebody else's shared picture that it was made from.
        covers: whether it is hidden behind a spoiler whatever its job says.
    """
    request = job.request.image(post.index)
    small = [facts(request, shelf), _credit(post)]
    if origin is not None:
        small.append(_remixed(origin))
    if post.tags:
        small.append(tags_line(post.tags))
    pictures: tuple[Attached, ...] = () if picture is None else (attached(job, picture),)
    if covers:
        pictures = tuple(map(covered, pictures))
    button, menu = partial(Button, job=job.id, index=post.index), partial(Menu, job=job.id, index=post.index)
    return Card(
        tone=Tone.DONE,
        text=tuple(_beginning(post, job)),
        pictures=pictures,
        small=tuple(small),
        buttons=(
            button(action=Action.LIKE, label=likes_label(post.likes)),
            button(action=Action.USE, label=say("Use this prompt")),
            button(action=Action.EDIT, label=say("Remix")),
            button(action=Action.REPORT, label=say("Report")),
        ),
        menu=menu(
            action=Action.ABOUT,
            placeholder=say("More: like this one, where it comes from, save its prompt…"),
            entries=_FURTHER,
        ),
    )


def likes_label(likes: int) -> str:
    """What stands on the button."""
    return count("{number:,} like", "{number:,} likes", likes) if likes else say("Like")


def tags_line(tags: Sequence[str], most: int = ALL_TAGS) -> str:
    """The tags of a post, as far as they have room in so many characters."""
    return fitting(" ".join(f"#{tag.replace(' ', '_')}" for tag in tags), most).replace("\\#", "#", 1)


def _credit(post: Post) -> str:
    return say("shared by {who} {when}", who=f"<@{post.person}>", when=f"<t:{int(post.shared_at)}:R>")


def _remixed(origin: Post) -> str:
    link = link_of(origin)
    who = f"<@{origin.person}>"
    if link is None:
        return say("remixed from {who}", who=who)
    return say("remixed from {who}: [this one]({link})", who=who, link=link)


def entry_lines(number: int, post: Post) -> tuple[str, ...]:
    """One post of several, for a page or a board."""
    told: list[str] = [
        count("{number:,} like", "{number:,} likes", post.likes),
        f"<@{post.person}>",
        f"<t:{int(post.shared_at)}:R>",
    ]
    if (link := link_of(post)) is not None:
        told.append(say("[its post]({link})", link=link))
    if post.is_hidden:
        told.append(say("hidden by moderators"))
    lines = [f"**{number}.** {fitting(name_of_post(post), NAME_OF_SEVERAL)}", joined(" · ", told)]
    return (*lines, tags_line(post.tags, TAGS_OF_SEVERAL)) if post.tags else tuple(lines)


# Reports --------------------------------------------------------------------------------------------------


def report_card(post: Post, job: Job, picture: Picture | None, reports: Sequence[Report]) -> Card:
    """What moderators see of a post that waits for them."""
    waiting = [report for report in reports if report.decision is None]
    lines: list[str] = [
        *_beginning(post, job),
        count("**Reported** by {number} person.", "**Reported** by {number} people.", len(waiting)),
        *map(_reason, waiting[:MAX_REASONS]),
    ]
    small = [_credit(post)]
    if (link := link_of(post)) is not None:
        small.append(say("[its post]({link})", link=link))
    button = partial(Button, job=job.id, index=post.index)
    return Card(
        tone=Tone.WAITING,
        text=tuple(lines),
        pictures=() if picture is None else (covered(attached(job, picture)),),
        small=tuple(small),
        buttons=(
            button(action=Action.HIDE, label=say("Hide")),
            button(action=Action.KEEP, label=say("Keep")),
            button(action=Action.BLOCK, label=say("Hide and block the person")),
        ),
    )


def _beginning(post: Post, job: Job) -> list[str]:
    prompt = joined("", ("> ", prompt_of(job.request.image(post.index))))
    return [prompt] if post.title is None else [joined("", ("### ", literal(post.title))), prompt]


def _reason(report: Report) -> str:
    return say(
        "{who}: {reason}", who=mention(report.person), reason=literal(shortened(report.reason, REASON))
    )


def reported_card() -> Card:
    """The same where it named somebody who is forgotten."""
    return Card(tone=Tone.WAITING, text=(say("**Reported**, and it waits; `/moderate` shows it."),))


def decided_line(decided: Decided) -> str:
    """What was decided, and by whom."""
    who = mention(decided.decided_by)
    match decided.decision:
        case Decision.HIDDEN:
            return say("**Hidden** by {who}.", who=who)
        case Decision.REMOVED:
            return say("**Taken out of the gallery** by {who}.", who=who)
        case Decision.SHOWN:
            return say("**Shown again** by {who}.", who=who)
        case Decision.KEPT:
            return say("**Kept** by {who}.", who=who)


def decision_line(decided: Decided) -> str:
    """The same in a list of them: whose it was, why and when."""
    told: list[str] = [decided_line(decided), say("a picture of {whom}", whom=mention(decided.person))]
    if decided.reason is not None:
        reason = literal(shortened(decided.reason, 100))
        told.append(say("reported by {who}: {reason}", who=mention(decided.reported_by), reason=reason))
    return joined(" · ", (*told, f"<t:{int(decided.decided_at)}:R>"))


def decided_report_card(decided: Decided | None, hidden: JobId | None = None, index: int = 0) -> Card:
    """The same in place of its card.

    Args:
        decided: None: the post is gone.
        hidden: the job of the post, while that is out of sight.
        index: of its picture.
    """
    said = say("**Gone** before anybody decided.") if decided is None else decided_line(decided)
    card = Card(tone=Tone.CANCELLED, text=(said,))
    return card if hidden is None else replace(card, buttons=(_show_again(hidden, index),))


def hidden_card(
    post: Post, job: Job, picture: Picture | None, reports: Sequence[Report], decided: Decided | None
) -> Card:
    """What moderators see of a post that is hidden."""
    card = report_card(post, job, picture, reports)
    lines = [*_beginning(post, job), *map(_reason, reports[-MAX_REASONS:])]
    if decided is not None and decided.decision is Decision.HIDDEN:
        lines.append(decided_line(decided))
    return replace(card, text=tuple(lines), buttons=(_show_again(job.id, post.index),))


def _show_again(job: JobId, index: int) -> Button:
    return Button(action=Action.RESTORE, job=job, index=index, label=say("Show it again"))


def gone_report_card(job: Job | None, index: int) -> Card:
    """The same of a post that is gone. Whose it was can be blocked still, unless that is forgotten: `job`."""
    card = decided_report_card(None)
    if job is None:
        return card
    block = Button(action=Action.BLOCK, job=job.id, index=index, label=say("Block the person"))
    return replace(card, buttons=(block,))
