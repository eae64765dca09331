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
