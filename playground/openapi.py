"""Checks requests and responses against Discord's OpenAPI document."""

from __future__ import annotations

from pathlib import Path


class OpenApi:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.violations: list[str] = []

    def check_request(self, method: str, path: str, body: object) -> None: ...

    def check_response(self, method: str, path: str, status: int, body: object) -> None: ...
