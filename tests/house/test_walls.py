"""The walls between the rooms hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_room_imports_what_its_walls_forbid() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bots_process_never_sees_torch() -> None:
    # Everything that `python -m bot` imports, the process backend included, without starting it.
    program = """
import sys
import bot.__main__, generation.backends.process, generation.studio, storage.jobs
engines = "torch torchvision diffusers transformers peft safetensors huggingface_hub spandrel cv2 numpy"
seen = {name.partition(".")[0] for name in sys.modules} & set(engines.split())
print(sorted(seen), [name for name in sys.modules if name.startswith("generation.engine")])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] []"


def blocking(*places: str, code: str | None = None) -> str:
    """What ruff finds in coroutines that would keep everybody waiting, whatever is exempted elsewhere."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    asked = [ruff, "check", "--isolated", "--no-cache", "--select", "ASYNC", "--output-format", "concise"]
    done = subprocess.run(
        [*asked, *places], cwd=ROOT, capture_output=True, text=True, check=False, input=code
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_nothing_blocks_the_loop() -> None:
    found = blocking("-", code="import time\nasync def reply():\n    time.sleep(3)\n")
    assert "ASYNC251" in found, "a sleep in a coroutine is found"
    calls = ("ASYNC21", "ASYNC22", "ASYNC23", "ASYNC25")  # network, processes, files, sleep and input
    rooms = blocking("bot", "storage", "generation", "web").splitlines()
    assert not [line for line in rooms if any(call in line for call in calls)]
