"""Runs a command that ends when whoever started it does: `python -m playground.leash COMMAND ...`.

Its standard input is the leash. When that closes, because it was let go or because the process at the
other end died in whatever way, the command is told to end, and killed if it does not within ten seconds.
The first line it prints is the command's process id. It exits with the command's exit code, or 128 and
the number of the signal that ended it.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0


def main(command: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.flush()

    def hold() -> None:
        sys.stdin.read()
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    threading.Thread(target=hold, daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
