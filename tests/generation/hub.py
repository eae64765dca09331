"""A small Hugging Face hub on this machine: one repository, over HTTP, as its client library expects it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of a folder as the repository `repo`.

    `before` is called with the name of a file before its content is sent: it may wait.
    """

    def __init__(self, repo: str, folder: Path, before: Callable[[str], object] = lambda name: None) -> None:
        self.repo = repo
        self.folder = folder
        self.before = before
        self.sent: list[str] = []
        """The names of the files whose content was asked for, in order."""

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @contextmanager
    def open(self) -> Iterator[str]:
        """While it serves; its address."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path, api = request.path.partition("?")[0], f"/api/models/{self.repo}"
        if path == f"{api}/tree/{COMMIT}":
            self._send(request, json.dumps([self._entry(file) for file in self.files]).encode(), body=body)
        elif path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            siblings = [{"rfilename": self.name(file)} for file in self.files]
            told = {"id": self.repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            self._send(request, json.dumps(told).encode(), body=body)
        else:
            prefixes = [f"/{self.repo}/resolve/{revision}/" for revision in ("main", COMMIT)]
            name = next((path.removeprefix(start) for start in prefixes if path.startswith(start)), None)
            if name is None or not (self.folder / name).is_file():
                request.send_error(404)
                return
            if body:
                self.sent.append(name)
                self.before(name)
            self._send(request, (self.folder / name).read_bytes(), body=body)

    def _entry(self, file: Path) -> dict[str, object]:
        oid = hashlib.sha1(file.read_bytes()).hexdigest()
        return {"type": "file", "path": self.name(file), "size": file.stat().st_size, "oid": oid}

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, *, body: bool) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.end_headers()
        if body:
            request.wfile.write(content)
