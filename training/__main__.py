"""`python -m training`: makes the embedded model from nothing, or goes on where it was stopped.

On a GPU half an hour is plenty: `python -m training --minutes 30`. Without one, several hours in the
background do the same. Stop it whenever you like; the same command goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training.autoencoder import train_autoencoder
from training.decoder import Denoiser, polish_decoder
from training.denoiser import train_denoiser
from training.machine import choose_machine
from training.models import Widths, load_folder, new_tokenizer, save_folder
from training.text import train_text_encoder

AUTOENCODER_SHARE, TEXT_SHARE, DECODER_SHARE = 0.16, 0.05, 0.15
"""Shares of the whole time; the denoiser has the rest. What begins from a finished folder keeps its latents
and its text encoder as they are, and only goes on with the denoiser and the decoder."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=95.0, help="training time of all stages (default 95)"
    )
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--work", type=Path, default=Path(".training"), help="checkpoints and log.txt")
    parser.add_argument("--into", type=Path, default=Path("models/mini"), help="the folder to write")
    parser.add_argument("--start", type=Path, help="begin from this finished folder instead of from nothing")
    parser.add_argument("--unet", type=int, nargs="+", help="widths of the denoiser, such as 64 128 160")
    parser.add_argument("--until", choices=("autoencoder", "text", "end"), default="end")
    options = parser.parse_args()

    work, minutes, seed = options.work, options.minutes, options.seed
    machine = choose_machine(options.device)
    widths = Widths(unet=tuple(options.unet)) if options.unet else Widths()
    start = load_folder(options.start) if options.start else None
    tokenizer = start.tokenizer if start else new_tokenizer()
    autoencoder_share, text_share = (0.0, 0.0) if start else (AUTOENCODER_SHARE, TEXT_SHARE)
    autoencoder = (
        machine.place(start.autoencoder)
        if start
        else train_autoencoder(work, machine, widths, minutes=minutes * autoencoder_share, seed=seed)
    )
    if options.until == "autoencoder":
        return
    text_encoder = (
        start.text_encoder.to(machine.device)
        if start
        else train_text_encoder(work, machine, widths, tokenizer, minutes=minutes * text_share, seed=seed + 1)
    )
    if options.until == "text":
        return
    unet = train_denoiser(
        work,
        machine,
        widths,
        tokenizer,
        text_encoder,
        autoencoder,
        minutes=minutes * (1 - autoencoder_share - text_share - DECODER_SHARE),
        seed=seed + 2,
        into=options.into,
        start=start.unet if start else None,
    )
    polish_decoder(
        work,
        machine,
        autoencoder,
        Denoiser(tokenizer=tokenizer, text_encoder=text_encoder, unet=unet),
        minutes=minutes * DECODER_SHARE,
        seed=seed + 3,
    )
    save_folder(
        options.into, tokenizer=tokenizer, text_encoder=text_encoder, autoencoder=autoencoder, unet=unet
    )


if __name__ == "__main__":
    main()
