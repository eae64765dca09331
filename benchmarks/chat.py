"""The experience in chat: how soon the bot answers while the worker draws on all cores, and how it edits."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.engine.report import OURS
from benchmarks.place import ROOT, circumstances, peak_resident, percentile, playground, tell
from playground.nouns import Json
from playground.person import Asked, Person
from playground.reading import pictures_of, text_of

BUSY = {"prompt": "a house", "count": 4, "steps": 150}
"""Keeps the worker on all cores for longer than the commands take."""
BUSY_REQUESTS = 6
ROOM = {"MAX_WAITING": "1000", "MAX_WAITING_PER_PERSON": "1000", "LOG_LEVEL": "WARNING"}

Way = Callable[[Person, Json], Awaitable[float]]
"""One way to interact, with a result's message at hand; seconds until it was acknowledged."""


async def imagine(person: Person, result: Json) -> float:
    return (await person.command("imagine", {"prompt": "a red circle", "steps": 4})).seconds


async def reroll(person: Person, result: Json) -> float:
    return (await person.press(result, "Reroll")).seconds


async def settings(person: Person, result: Json) -> float:
    return (await person.press(result, "Settings")).seconds


async def choices(person: Person, result: Json) -> float:
    start = time.perf_counter()
    await person.autocomplete("imagine", "sampler", "dpm")
    return time.perf_counter() - start


def command(name: str, **options: object) -> Way:
    async def used(person: Person, result: Json) -> float:
        return (await person.command(name, options)).seconds

    return used


WAYS: Mapping[str, Way] = {
    "imagine": imagine,
    "Reroll": reroll,
    "Settings": settings,
    "choices": choices,
    "queue": command("queue"),
    "history": command("history"),
    "styles": command("styles list"),
    "help": command("help"),
}
MIX = (
    "imagine",
    "choices",
    "Settings",
    "imagine",
    "Reroll",
    "queue",
    "imagine",
    "choices",
    "history",
    "styles",
)
"""In turn: what people do, the dear things as often as the cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    acknowledged: Mapping[str, Sequence[float]]
    """Milliseconds, by the way of asking."""
    took_s: float
    """From the first interaction to the last."""
    edits: Sequence[int]
    """Of each finished job's message, the end among them."""
    bot_rss_mb: float | None
    ready_s: Sequence[float]
    """From the start of the bot to the first interaction that it served, once for each start."""


async def measure(interactions: int, seconds: float, jobs: int, starts: int) -> Measured:
    """Take all figures, each in a playground and a bot of its own."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with playground(data / "ready", ROOM) as place:
            ready = [await _ready(place) for _ in range(starts)]
        async with playground(data / "edits", ROOM) as place, _people(place) as people:
            edits = await _edits(people[0], place, jobs)
        async with playground(data / "busy", ROOM) as place, _people(place) as people:
            acknowledged, took = await _acknowledged(people, interactions, seconds)
            memory = peak_resident(place["bot_pid"])
    return Measured(acknowledged=acknowledged, took_s=took, edits=edits, bot_rss_mb=memory, ready_s=ready)


async def _acknowledged(
    people: Sequence[Person], interactions: int, seconds: float
) -> tuple[Mapping[str, Sequence[float]], float]:
    """So many interactions, evenly over so many seconds, while the worker draws."""
    first = people[0]
    asked = await first.command("imagine", {"prompt": "a red circle", "steps": 4})
    result = await first.answer(asked, pictures_of, timeout=60)
    drawing = [await first.command("imagine", BUSY) for _ in range(BUSY_REQUESTS)]
    await first.answer(drawing[0], lambda message: "step" in text_of(message), timeout=60)
    took: defaultdict[str, list[float]] = defaultdict(list)

    async def interact(number: int) -> None:
        way = MIX[number % len(MIX)]
        person = people[number % len(people)]
        took[way].append(await WAYS[way](person, person.seen.get(result["id"], result)) * 1000)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(interactions):
            await asyncio.sleep(max(0.0, begun + number * seconds / interactions - time.perf_counter()))
            tasks.create_task(interact(number))
    whole = time.perf_counter() - begun
    last = first.seen[(await first.answer(drawing[-1], lambda message: True))["id"]]
    if pictures_of(last) and "step" not in text_of(last):
        raise RuntimeError("the worker had nothing left to draw before the last acknowledgement")
    return took, whole


async def _edits(person: Person, place: Mapping[str, Any], jobs: int) -> list[int]:
    """How often the message of each of so many jobs was edited; asked one after the other."""
    messages = []
    for number in range(jobs):
        asked: Asked = await person.command(
            "imagine", {"prompt": f"a house, number {number}", "steps": 20 if number % 2 else 100}
        )
        messages.append(await person.answer(asked, _is_done, timeout=120))
    asked_of = await _requests(place)
    edited = Counter(
        entry["path"].rpartition("/")[2].partition("?")[0] for entry in asked_of if entry["method"] == "PATCH"
    )
    return [edited[str(message["id"])] for message in messages]


def _is_done(message: Json) -> bool:
    return bool(pictures_of(message)) and "Reroll" in json.dumps(message["components"])


async def _requests(place: Mapping[str, Any]) -> list[Json]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{_root(place)}/playground/requests") as response,
    ):
        said: list[Json] = await response.json()
        return said


async def _ready(place: Mapping[str, Any]) -> float:
    """Seconds from a start of the bot to the first interaction that it acknowledged."""
    async with _people(place) as people, aiohttp.ClientSession() as http:
        person = people[0]
        async with http.post(f"{_root(place)}/playground/bot", json={"do": "stop"}) as response:
            response.raise_for_status()
        heard = len(person.events)
        begun = time.perf_counter()
        async with http.post(f"{_root(place)}/playground/bot", json={"do": "start"}) as response:
            response.raise_for_status()
        await person.until(
            lambda: any(name == "GUILD_APPLICATION_COMMAND_INDEX_UPDATE" for name, _ in person.events[heard:])
        )
        await person.command("imagine", {"prompt": "a red circle", "steps": 4})
        return time.perf_counter() - begun


def _root(place: Mapping[str, Any]) -> str:
    return str(place["api"]).partition("/api/")[0]


@asynccontextmanager
async def _people(place: Mapping[str, Any]) -> AsyncIterator[Sequence[Person]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Person(
                    api=place["api"],
                    gateway=place["gateway"],
                    token=user["token"],
                    channel_id=place["channel_id"],
                )
            )
            for user in place["users"]
        ]


def figures_of(measured: Measured) -> dict[str, Any]:
    """The figures, with where and with what they were taken."""
    took = [milliseconds for each in measured.acknowledged.values() for milliseconds in each]
    return {
        "ack_p50_ms": round(percentile(took, 0.5), 1),
        "ack_p99_ms": round(percentile(took, 0.99), 1),
        "ack_max_ms": round(max(took), 1),
        "edits_per_job": round(sum(measured.edits) / len(measured.edits), 2),
        "bot_rss_mb": None if measured.bot_rss_mb is None else round(measured.bot_rss_mb, 1),
        "ready_s": round(sorted(measured.ready_s)[len(measured.ready_s) // 2], 2),
        "interactions": len(took),
        "interactions_s": round(measured.took_s, 1),
        "jobs": len(measured.edits),
        "starts": len(measured.ready_s),
        **circumstances(),
    }


def plot(measured: Measured, path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    names = sorted(measured.acknowledged, key=lambda name: percentile(measured.acknowledged[name], 0.5))
    axes.boxplot(
        [list(measured.acknowledged[name]) for name in names],
        tick_labels=names,
        orientation="horizontal",
        whis=(0, 99),
        medianprops={"color": OURS},
    )
    axes.set(xlabel="ms until acknowledged", xlim=(0, None))
    axes.set_title(f"{sum(map(len, measured.acknowledged.values()))} interactions while the worker draws")
    axes.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def report(measured: Measured, out: Path) -> None:
    """Print a table and, as the last line, the figures as JSON; save the plot in `out`."""
    figures = figures_of(measured)
    rows = [
        *(
            (
                f"acknowledged: {way}",
                f"{percentile(took, 0.5):.0f} ms, worst {max(took):.0f} ms, {len(took)}",
            )
            for way, took in measured.acknowledged.items()
        ),
        ("acknowledged, p50 and p99", f"{figures['ack_p50_ms']} and {figures['ack_p99_ms']} ms"),
        ("acknowledged, worst", f"{figures['ack_max_ms']} ms"),
        (
            "edits of a finished job",
            f"{figures['edits_per_job']} ({min(measured.edits)} to {max(measured.edits)})",
        ),
        ("bot's peak memory", f"{figures['bot_rss_mb']} MB"),
        ("start to first interaction", f"{figures['ready_s']} s, worst {max(measured.ready_s):.2f} s"),
    ]
    out.mkdir(parents=True, exist_ok=True)
    place = out / "chat.png"
    tell(rows, figures, place, is_drawn=plot(measured, place))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat", description=__doc__)
    parser.add_argument("--interactions", type=int, default=200, help="while the worker draws")
    parser.add_argument("--seconds", type=float, default=10.0, help="in which they come")
    parser.add_argument("--jobs", type=int, default=10, help="whose edits are counted")
    parser.add_argument("--starts", type=int, default=5, help="of the bot")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out", help="folder for the plot")
    options = parser.parse_args()
    report(
        asyncio.run(measure(options.interactions, options.seconds, options.jobs, options.starts)), options.out
    )


if __name__ == "__main__":
    main()
