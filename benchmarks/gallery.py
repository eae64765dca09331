"""How long it takes to find something in galleries of ten thousand to a million pictures."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.crowd import COMMON, NOW, SERVER, Crowd, build
from benchmarks.engine.report import OURS
from benchmarks.place import ROOT, circumstances, percentile
from benchmarks.thumbnails import of_folder, of_photograph
from generation.job import UserId
from storage.database import Database
from storage.finding import Finder, Wanted, Window
from storage.gallery import Gallery, Post, PostId
from storage.lineage import Lineages
from storage.paging import Cursor, Page
from storage.posts import SHIFT

SIZES = (10_000, 100_000, 1_000_000)
PEOPLE, LIKES = 20, 5
"""Pictures to a person, and likes to a picture."""
GRID = 48
"""Pictures on a page of the web."""
TARGET, COMMON_TARGET = 50, 150
"""Milliseconds, of the p99; the second of words that a third of all prompts hold."""
OF_COMMON = (
    "search: a common word",
    "search: two common words",
    "search: common words, up to five",
    "search: a common and a rare word",
)

Ask = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one gallery took."""

    posts: int
    took: Mapping[str, Sequence[float]]
    """Milliseconds of each time that something was asked."""
    worked: Mapping[str, Sequence[float]]
    """How many of these the processor worked for it: what others do on the machine hardly changes that."""
    megabytes: Mapping[str, float]
    """On the disk: all, and the largest parts."""


class Questions:
    """Draws what is asked, by chance: each time with other words, people and pictures."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self._database = database
        self._chance = chance
        self._finder = Finder(database, now=lambda: NOW)
        self._gallery = Gallery(database)
        self._lineages = Lineages(database)
        self._words: list[str] = []
        """Those used most first."""
        self._posts: list[Post] = []
        self._pages: list[dict[str, str]] = []
        """The second and third pages of some searches."""

    async def prepare(self) -> None:
        """Learn what there is."""
        rows = await self._database.fetch_all("SELECT word FROM gallery_words ORDER BY posts DESC")
        self._words = [row["word"] for row in rows]
        for _ in range(20):
            self._posts += await self._finder.random(SERVER, count=20)
        while len(self._pages) < 60:
            typed, cursor = self._used(), None
            for _ in range(2):
                page = await self._finder.search(SERVER, typed, cursor=cursor, size=GRID)
                if (cursor := page.after) is None:
                    break
                self._pages.append({"typed": typed, "cursor": cursor})

    def kinds(self) -> dict[str, Ask]:
        """What is asked, by name."""
        find = self._finder
        return {
            "top": lambda: find.top(SERVER, Wanted(window=self._window())),
            "top, filtered": lambda: find.top(SERVER, self._filter()),
            "new": lambda: find.new(SERVER, cursor=self._somewhere()),
            "new, filtered": lambda: find.new(SERVER, self._filter()),
            "search: a rare word": lambda: find.search(SERVER, self._rare()),
            "search: a middling word": lambda: find.search(SERVER, self._middling()),
            "search: a common word": lambda: find.search(SERVER, self._common()),
            "search: two words": lambda: find.search(SERVER, f"{self._middling()} {self._used()}"),
            "search: two common words": lambda: find.search(SERVER, f"{self._common()} {self._common()}"),
            "search: common words, up to five": self._many_common,
            "search: a common and a rare word": lambda: find.search(
                SERVER, f"{self._common()} {self._rare()}"
            ),
            "search: words and filters": lambda: find.search(SERVER, self._used(), self._filter()),
            "search: a beginning": lambda: find.search(SERVER, self._used()[: self._chance.randint(1, 5)]),
            "search: a typing error": lambda: find.search(SERVER, self._mistyped()),
            "mine": lambda: find.mine(SERVER, self._post().person),
            "more like this": lambda: find.more_like(self._post()),
            "by chance": lambda: find.random(SERVER, self._filter()),
            "lineage": lambda: self._lineages.of(self._post().job_id, server=SERVER, viewer=UserId(1)),
            "web: a page of the grid": lambda: find.new(SERVER, cursor=self._somewhere(), size=GRID),
            "web: a person's page": lambda: find.new(SERVER, Wanted(person=self._post().person), size=GRID),
            "web: a later page of a search": lambda: find.search(SERVER, **self._later(), size=GRID),
            "like and take it back": self._like,
        }

    async def _many_common(self) -> Page:
        words = self._chance.sample(self._words[1 : COMMON + 1], self._chance.randint(1, COMMON))
        return await self._finder.search(SERVER, " ".join(words))

    def _later(self) -> Any:
        return self._chance.choice(self._pages)

    async def _like(self) -> None:
        post = self._post().id
        await self._gallery.like(post, UserId(2))
        await self._gallery.unlike(post, UserId(2))

    def _window(self) -> Window:
        return self._chance.choice(list(Window))

    def _filter(self) -> Wanted:
        """One to three filters, those that are used often more often."""
        chance, post = self._chance, self._post()
        kinds = chance.sample(["model", "style", "lora", "tag"], chance.randint(1, 3))
        return Wanted(
            model=post.model if "model" in kinds else None,
            style=post.style if "style" in kinds else None,
            lora=post.loras[0] if "lora" in kinds and post.loras else None,
            tag=post.tags[0] if "tag" in kinds and post.tags else None,
            window=self._window(),
        )

    def _somewhere(self) -> str:
        """A page anywhere in the gallery."""
        return str(
            Cursor(PostId((1 << SHIFT) + self._chance.randint(1, self._posts[0].id & (1 << SHIFT) - 1)))
        )

    def _post(self) -> Post:
        return self._chance.choice(self._posts)

    def _common(self) -> str:
        """In a third of all prompts, or, one time in six, the one that is in all of them."""
        return self._chance.choice(self._words[: COMMON + 1])

    def _middling(self) -> str:
        return self._chance.choice(self._words[COMMON + 1 : 2000])

    def _rare(self) -> str:
        return self._chance.choice(self._words[len(self._words) // 2 :])

    def _used(self) -> str:
        """A word as people type it: those of prompts are those of searches."""
        return self._chance.choice(self._post().prompt.replace(",", "").split()[1:])

    def _mistyped(self) -> str:
        word = next(word for word in iter(self._used, None) if len(word) > 4)
        at = self._chance.randrange(1, len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return self._chance.choice([swapped, word[:at] + word[at + 1 :], f"{word[:at]}x{word[at:]}"])


async def measure(path: Path, posts: int, times: int, *, cold: bool = False) -> Measured:
    """Ask everything in turn, `times` times.

    Args:
        cold: begin with a file of which the system has nothing in memory, as after its start.
    """
    took: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}
    async with Database.open(path) as database:
        questions = Questions(database, random.Random(6))
        await questions.prepare()
        kinds = questions.kinds()
        for turn in range(times + 3):
            if cold and turn == 3:
                put_out_of_memory(path)
            for name, ask in kinds.items():
                start, worked_before = time.perf_counter(), time.process_time()
                await ask()
                if turn >= 3:
                    took.setdefault(name, []).append((time.perf_counter() - start) * 1000)
                    worked.setdefault(name, []).append((time.process_time() - worked_before) * 1000)
    return Measured(posts=posts, took=took, worked=worked, megabytes=_megabytes(path))


def put_out_of_memory(path: Path) -> None:
    """Have the system forget what it remembers of a file; Linux can do that."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def _megabytes(path: Path) -> dict[str, float]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sum(pgsize) / 1e6 FROM dbstat GROUP BY name").fetchall()
    connection.close()
    sizes = {"all": sum(size for _, size in rows)}
    parts = {"index of words": "posts_found", "likes": "likes", "jobs": "jobs", "pictures": "pictures"}
    for part, begin in parts.items():
        sizes[part] = sum(size for name, size in rows if begin in name)
    sizes["posts"] = sizes["all"] - sum(sizes[part] for part in parts)
    return sizes


def report(measured: Sequence[Measured], times: int, out: Path, thumbnails: Mapping[str, float]) -> None:
    """Print the table, save the plot, and print one JSON object as the last line.

    Args:
        thumbnails: kB of one, by what it is of.
    """
    names = list(measured[0].took)
    p50 = {
        each.posts: {name: round(statistics.median(each.took[name]), 1) for name in names}
        for each in measured
    }
    p99 = {
        each.posts: {name: round(percentile(each.took[name], 0.99), 1) for name in names} for each in measured
    }
    cpu = {
        each.posts: {name: round(percentile(each.worked[name], 0.99), 1) for name in names}
        for each in measured
    }
    width = max(36, *map(len, names))
    print(
        f"{'ms: p50, p99, p99 of the processor':<{width}}"
        + "".join(f"{each.posts:>27,}" for each in measured)
    )
    for name in names:
        print(
            f"{name:<{width}}"
            + "".join(f"{p50[size][name]:>9}{p99[size][name]:>9}{cpu[size][name]:>9}" for size in p50)
        )
    for part in measured[0].megabytes:
        print(f"{part + ', MB':<{width}}" + "".join(f"{each.megabytes[part]:>27.0f}" for each in measured))
    for name, size in thumbnails.items():
        print(f"{f'thumbnail of {name}, kB':<{width}}{size:>27.1f}")
    out.mkdir(parents=True, exist_ok=True)
    place = out / "gallery.png"
    print(f"plot: {place}" if plot(p99, place) else "plot: none, matplotlib is not installed")
    missed = [
        name
        for name in names
        if p99[measured[-1].posts][name] > (COMMON_TARGET if name in OF_COMMON else TARGET)
    ]
    figures = {
        "p99_ms": p99,
        "p50_ms": p50,
        "processor_p99_ms": cpu,
        "megabytes": {
            each.posts: {part: round(size, 1) for part, size in each.megabytes.items()} for each in measured
        },
        "thumbnail_kb": dict(thumbnails),
        "times": times,
        "missed": missed,
        **circumstances(),
        "sqlite": sqlite3.sqlite_version,
    }
    print(json.dumps(figures))


def plot(p99: Mapping[int, Mapping[str, float]], path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("agg")
    from matplotlib import pyplot

    names = list(next(iter(p99.values())))[::-1]
    figure, axes = pyplot.subplots(figsize=(9, 7), layout="constrained")
    for shade, (size, values) in zip((0.3, 0.6, 1.0), p99.items(), strict=False):
        places = range(len(names))
        axes.plot(
            [values[name] for name in names], places, "o", color=OURS, alpha=shade, label=f"{size:,} pictures"
        )
    for target, style in ((TARGET, ":"), (COMMON_TARGET, "--")):
        axes.axvline(target, color="black", linewidth=0.6, linestyle=style, label=f"{target} ms")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xscale="log", xlabel="ms, p99")
    axes.set_title("How long it takes to find something in a gallery")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description=__doc__)
    out = ROOT / "benchmarks" / "out"
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="pictures in each gallery")
    parser.add_argument("--times", type=int, default=200, help="how often each question is asked")
    parser.add_argument(
        "--data", type=Path, default=out / "gallery", help="folder of the galleries, made once"
    )
    parser.add_argument("--out", type=Path, default=out, help="folder for the plot")
    parser.add_argument(
        "--cold", action="store_true", help="begin with nothing of the file in the system's memory (Linux)"
    )
    parser.add_argument(
        "--pictures", type=Path, help="a folder of PNG files, to say how large thumbnails are"
    )
    options = parser.parse_args()
    thumbnails = {**of_photograph(), **({} if options.pictures is None else of_folder(options.pictures))}
    options.data.mkdir(parents=True, exist_ok=True)
    measured = []
    for size in options.sizes:
        path = options.data / f"gallery-{size}.db"
        if not path.exists():
            print(f"making {size:,} pictures…", flush=True)
            making = path.with_suffix(".making")
            making.unlink(missing_ok=True)
            build(making, Crowd(posts=size, people=max(1, size // PEOPLE), likes=LIKES * size))
            making.rename(path)
        measured.append(asyncio.run(measure(path, size, options.times, cold=options.cold)))
    report(measured, options.times, options.out, thumbnails)


if __name__ == "__main__":
    main()
