"""A headless Chromium for tests of the playground's page, and what every window in it must keep to."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = (1280, 800)
PHONE = (390, 844)
PATIENCE_MS = 60_000
"""Longer than anything takes on a machine that does something else at the same time."""

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Window:
    """One window of one person: the page, what it asked for, and what went wrong in it."""

    page: Page
    context: BrowserContext
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    is_closed: bool = False

    def watch(self) -> None:
        self.page.on("request", self._requested)
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data"):
            self.hosts.add(parts.netloc)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _failed(self, error: Error) -> None:
        self.errors.append(str(error))

    @property
    def writing(self) -> Locator:
        """The field for plain messages, there while no command is being filled in."""
        return self.page.locator(".composer-text")

    @property
    def messages(self) -> Locator:
        return self.page.locator(".message:not(.echo)")

    @property
    def last(self) -> Locator:
        return self.messages.last

    def option(self, name: str) -> Locator:
        """The field of a command's option."""
        return self.page.locator(f'.pill[data-option="{name}"] .pill-field')

    def button(self, name: str) -> Locator:
        """A button of the last message."""
        return self.last.get_by_role("button", name=name, exact=True)

    async def close(self) -> None:
        """Close the window before the test ends, for instance before its server does."""
        self.is_closed = True
        await self.context.close()

    async def forget(self, size: tuple[int, int]) -> bool:
        """Make it as if it had just been opened, for somebody else; False if that cannot be."""
        self.page.remove_listener("request", self._requested)
        self.page.remove_listener("console", self._said)
        self.page.remove_listener("pageerror", self._failed)
        try:
            await self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
            await self.page.mouse.move(-1, -1)  # else what will lie under the pointer is lit up
            await self.page.unroute_all()
            await self.page.set_viewport_size({"width": size[0], "height": size[1]})
            await self.context.clear_cookies()
            await self.context.clear_permissions()
            await self.page.goto("about:blank")
        except Error:
            return False
        return self.context.pages == [self.page]

    async def overflow(self) -> int:
        """By how many CSS pixels the page is wider than its window."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return width


Kind = tuple[tuple[int, int], Literal["dark", "light"], bool]
"""The size of a window, its colours, and whether it is touched."""


class Windows:
    """Windows with storage of their own, as if each were another person's browser."""

    def __init__(self, browser: Browser, idle: dict[Kind, list[Window]]) -> None:
        """
        Args:
            idle: windows of earlier tests that have forgotten all: to make one takes longer than most tests.
        """
        self._browser = browser
        self._idle = idle
        self._opened: list[tuple[Kind, Window]] = []

    async def open(
        self,
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: Literal["dark", "light"] = "dark",
        touch: bool = False,
    ) -> Window:
        """Open the page in a new window and wait until the chat is there."""
        kind = size, scheme, touch
        if idle := self._idle.get(kind):
            kept = idle.pop()
            window = Window(page=kept.page, context=kept.context)
        else:
            window = await self._new(kind)
        self._opened.append((kind, window))
        window.watch()
        await window.page.goto(url)
        await window.writing.wait_for()
        return window

    async def _new(self, kind: Kind) -> Window:
        size, scheme, touch = kind
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            locale="en-GB",
            timezone_id="UTC",
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        return Window(page=await context.new_page(), context=context)

    async def close(self) -> None:
        for kind, window in self._opened:
            if window.is_closed:
                continue
            if await window.forget(kind[0]):
                self._idle.setdefault(kind, []).append(window)
            else:
                await window.close()

    def check(self) -> None:
        """No window may have complained, or asked anything of another machine."""
        for _, window in self._opened:
            assert window.errors == [], window.errors
            assert {host.split(":")[0] for host in window.hosts} <= {"127.0.0.1", "localhost"}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser; without one on this machine the test is skipped."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed; `apt install chromium` brings what the page's tests need")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()
