"""`python -m training.adapters lora|word|edges`: makes an adapter of the embedded model, or goes on with it.

A few minutes are enough on a GPU, half an hour on a processor. Stop it whenever you like; the same command
goes on from the last checkpoint, and with more minutes it goes on after the end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.adapters.look import NeonLora
from training.adapters.outlines import EdgeControl
from training.adapters.teaching import Pupil, teach
from training.adapters.word import Word
from training.machine import choose_machine
from training.models import load_folder


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.adapters",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("lora", "word", "edges"))
    parser.add_argument("--minutes", type=float, default=20.0, help="training time in all (default 20)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--seed", type=int, default=30)
    parser.add_argument("--model", type=Path, default=Path("models/mini"), help="the model it is for")
    parser.add_argument("--work", type=Path, default=Path(".training/adapters"), help="checkpoints, log.txt")
    parser.add_argument(
        "--into", type=Path, default=Path("models"), help="the folder of loras, embeddings ..."
    )
    options = parser.parse_args()

    machine, parts = choose_machine(options.device), load_folder(options.model)
    parts.autoencoder.to(machine.device)
    torch.manual_seed(options.seed)
    pupil: Pupil
    match options.what:
        case "lora":
            pupil, folder = NeonLora("neon", parts, machine), "loras"
        case "word":
            pupil, folder = Word("stoplight", parts, machine), "embeddings"
        case _:
            pupil, folder = EdgeControl("mini-edges", parts, machine), "controlnets"
    teach(
        pupil,
        parts,
        options.work,
        machine,
        minutes=options.minutes,
        seed=options.seed,
        into=options.into / folder,
    )


if __name__ == "__main__":
    main()
