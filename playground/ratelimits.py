"""Rate limits: buckets of requests in windows of real seconds, as Discord counts them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

ORDINARY = (50, 1.0)
"""Requests and seconds, for whatever is not in the table."""
LIMITS: dict[tuple[str, str], tuple[int, float]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("POST", "/channels/{channel_id}/typing"): (5, 5.0),
    ("POST", "/users/@me/channels"): (10, 10.0),
    ("POST", "/webhooks/{webhook_id}/{webhook_token}"): (5, 2.0),
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original"): (5, 2.0),
    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"): (5, 2.0),
}
GLOBAL = (50, 1.0)
"""All requests of one bot together, those of interactions and webhooks apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a request may pass, and what its headers say."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    bucket: str
    everywhere: bool = False

    def headers(self) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": f"{time.time() + self.reset_after:.3f}",
            "X-RateLimit-Reset-After": f"{self.reset_after:.3f}",
            "X-RateLimit-Bucket": self.bucket,
        }
        if not self.allowed:
            headers["Retry-After"] = f"{self.reset_after:.3f}"
            headers["X-RateLimit-Scope"] = "global" if self.everywhere else "user"
            if self.everywhere:
                headers["X-RateLimit-Global"] = "true"
        return headers


@dataclass(slots=True)
class _Window:
    started: float
    used: int = 0


@dataclass(slots=True)
class RateLimits:
    """Counts requests; `limits` may be replaced by tests that want to meet them sooner."""

    limits: dict[tuple[str, str], tuple[int, float]] = field(default_factory=lambda: dict(LIMITS))
    ordinary: tuple[int, float] = ORDINARY
    everywhere: tuple[int, float] = GLOBAL
    _windows: dict[tuple[str, ...], _Window] = field(default_factory=dict)

    def unlimited(self) -> None:
        """Let everything pass from now on."""
        self.limits.clear()
        self.ordinary = self.everywhere = (10**9, 1.0)

    def ask(self, who: str, method: str, route: str, major: str, *, counted_globally: bool) -> Verdict:
        """Count one request of `who`. `major` is the channel, server or webhook that has its own bucket."""
        bucket = hashlib.sha256(f"{method} {route}".encode()).hexdigest()[:32]
        if counted_globally:
            window, left = self._window((who, "global"), self.everywhere)
            if window.used >= self.everywhere[0]:
                return Verdict(
                    allowed=False,
                    limit=self.everywhere[0],
                    remaining=0,
                    reset_after=left,
                    bucket=bucket,
                    everywhere=True,
                )
            window.used += 1
        limit = self.limits.get((method, route), self.ordinary)
        window, left = self._window((who, method, route, major), limit)
        allowed = window.used < limit[0]
        window.used += allowed
        return Verdict(
            allowed=allowed,
            limit=limit[0],
            remaining=limit[0] - window.used,
            reset_after=left,
            bucket=bucket,
        )

    def _window(self, key: tuple[str, ...], limit: tuple[int, float]) -> tuple[_Window, float]:
        """The running window of a key, or a new one, and the seconds left in it."""
        now = time.monotonic()
        window = self._windows.get(key)
        if window is None or now >= window.started + limit[1]:
            if len(self._windows) > 5000:
                self._windows = {k: w for k, w in self._windows.items() if now < w.started + 10}
            window = self._windows[key] = _Window(now)
        return window, window.started + limit[1] - now
