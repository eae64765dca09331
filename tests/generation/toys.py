"""Real pipelines at toy size, with random weights, and small things that tests of the drawing side share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from generation.catalogue import describe
from generation.job import JobId
from generation.messages import Drawn, Report, Task, TaskId
from generation.request import GenerationRequest, Seed, Size
from generation.samplers import SAMPLERS

NOISE = "fake:noise"
MINI = str(Path(__file__).parents[2] / "models" / "mini")


def a_request(model: str = NOISE, **changes: Any) -> GenerationRequest:
    """A request that suits the model, with these changes."""
    request = GenerationRequest(
        prompt="a red circle",
        model=model,
        size=Size(width=64, height=64),
        steps=4,
        guidance=5.0,
        sampler="Euler",
        seed=Seed(7),
    )
    return replace(request, **changes)


def a_task(
    request: GenerationRequest | None = None, *, job: str = "job", index: int = 0, attempt: int = 1
) -> Task:
    return Task(id=TaskId(job=JobId(job), index=index, attempt=attempt), request=request or a_request())


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


class Bench:
    """An engine in this process, and what it said."""

    def __init__(
        self,
        model: str,
        dtype: str = "auto",
        *,
        cap: int = 4,
        padded: bool = False,
        loaded: Any = None,
        **more: Any,
    ) -> None:
        from generation.engine.loop import DiffusionEngine
        from generation.engine.models import load

        self.source = model
        self.said: list[Report] = []
        self.model = loaded or load(describe(model), device="cpu", dtype=dtype)
        self.engine = DiffusionEngine(self.model, self.said.append, cap=cap, padded=padded, **more)

    def again(self, *, cap: int = 4, padded: bool = False, **more: Any) -> Bench:
        """Another engine with the same model."""
        return Bench(self.source, cap=cap, padded=padded, loaded=self.model, **more)

    def run(self, task: Task, *, until: Callable[[list[Report]], bool] = lambda said: False) -> list[Report]:
        """Let the engine draw one task until it is done, or until this holds; what it said."""
        self.said.clear()
        self.engine.admit(task)
        while self.engine.busy and not until(self.said):
            self.engine.tick()
        return list(self.said)

    def draw(self, **changes: Any) -> bytes:
        """The PNG of a request with these changes."""
        last = self.run(a_task(a_request(self.source, **changes)))[-1]
        assert isinstance(last, Drawn), last
        return last.png


def stock_scheduler(sampler: str, config: dict[str, Any]) -> Any:
    """diffusers' own, before anybody has set its time steps.

    What its constructor does takes up to half a second, and is compared in test_schedulers.py.
    """
    from generation.engine.schedulers import _bare, scheduler_class

    spec = SAMPLERS[sampler]
    return _bare(scheduler_class(spec), config, spec.overrides)


def stock_picture(pipe: Any, request: GenerationRequest, scheduler_config: dict[str, Any]) -> Image.Image:
    """The same request through diffusers' own pipeline: the oracle."""
    import torch

    pipe.scheduler = stock_scheduler(request.sampler, scheduler_config)
    pipe.set_progress_bar_config(disable=True)
    # The pipeline tells every scheduler that listens an eta of 0, with which TCD would add no noise.
    eta = {"eta": 0.3} if SAMPLERS[request.sampler].sampler == "TCD" else {}
    drawn = pipe(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        width=request.size.width,
        height=request.size.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        **eta,
    )
    image: Image.Image = drawn.images[0]
    return image


# Building ------------------------------------------------------------------------------------------------

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}


def build_sd(folder: Path, *, prediction: str = "epsilon", width: int = 16, per_block: int = 1) -> Path:
    """A Stable Diffusion 1 pipeline of 64 x 64 pixels whose every weight is random.

    `width` is that of the text encoder; checkpoint files are known by theirs, 768. With 1024, and layers
    where published ones have some (`per_block` 2), it is a Stable Diffusion 2.

    On the way up only those of a published width have attention, which is a third of the work of a call.
    """
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=per_block,
        attention_head_dim=2,
        use_linear_projection=width == 1024,
        cross_attention_dim=width,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D" if width == 16 else "CrossAttnUpBlock2D"),
    )
    if width == 16:
        with torch.no_grad():  # with so little attention random weights hardly hear what is asked for
            unet.conv_out.weight.mul_(3)
            for name, part in unet.named_modules():
                if name.endswith("attn2.to_out.0"):
                    part.weight.mul_(4)
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(width)),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(**BETAS, prediction_type=prediction, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder)
    return folder


def build_sdxl(folder: Path, *, second: int = 16, layers: int = 2) -> Path:
    """An SDXL base pipeline of 64 x 64 pixels whose every weight is random.

    `second` is the width of the second text encoder; in checkpoint files the two are told apart by theirs.
    `layers` is how many both have.
    """
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        cross_attention_dim=16 + second,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + second,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    pipe = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(layers=layers)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(second, layers=layers)),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(pad="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading"
        ),
        add_watermarker=False,
    )
    pipe.save_pretrained(folder)
    return folder


def build_sd3(folder: Path) -> Path:
    """A Stable Diffusion 3 pipeline of 64 x 64 pixels whose every weight is random."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(2)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    pipe = StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(shift_factor=0.0609, scaling_factor=1.5305),
        text_encoder=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer_2=_tokenizer(),
        text_encoder_3=_t5(),
        tokenizer_3=_t5_tokenizer(),
    )
    pipe.save_pretrained(folder)
    return folder


def build_flux(folder: Path) -> Path:
    """A Flux pipeline whose every weight is random; its card lets it draw 64 x 64 pixels."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    torch.manual_seed(3)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    pipe = FluxPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(),
    )
    pipe.save_pretrained(folder)
    (folder / "atelier.json").write_text('{"name": "toy Flux", "min_edge": 64}')
    return folder


def build_pixart(folder: Path) -> Path:
    """A PixArt pipeline of 256 x 256 pixels whose every weight is random."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    torch.manual_seed(4)
    transformer = PixArtTransformer2DModel(
        sample_size=32,
        patch_size=2,
        num_layers=1,
        in_channels=4,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=32,
        use_additional_conditions=False,
    )
    pipe = PixArtSigmaPipeline(
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
        vae=_vae(),
        text_encoder=_t5(),
        tokenizer=_t5_tokenizer(),
    )
    pipe.save_pretrained(folder)
    return folder


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=len(_T5_TOKENS), d_model=32, d_ff=37, d_kv=8, num_heads=4, num_layers=2, use_cache=False
    )
    return T5EncoderModel(config)


_T5_TOKENS = ["<pad>", "</s>", "<unk>", "\N{LOWER ONE EIGHTH BLOCK}", *"abcdefghijklmnopqrstuvwxyz0123456789"]


def _t5_tokenizer() -> Any:
    from transformers import T5TokenizerFast

    vocab = [(token, 0.0 if index < 3 else -float(index)) for index, token in enumerate(_T5_TOKENS)]
    return T5TokenizerFast(vocab=vocab, extra_ids=0, model_max_length=77)


def _vae(**changes: Any) -> Any:
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=64,
        **changes,
    )
    with (
        torch.no_grad()
    ):  # random weights decode to nearly grey; this spreads what differs over all 256 levels
        vae.decoder.conv_out.weight.mul_(4)
    return vae


def _text_config(width: int = 16, *, layers: int = 2) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(_vocabulary()),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=len(_vocabulary()) - 2,
        eos_token_id=len(_vocabulary()) - 1,
        pad_token_id=len(_vocabulary()) - 1,
    )


def _vocabulary() -> dict[str, int]:
    """CLIP's 256 bytes, alone and at a word's end, without any merges."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    alphabet = [chr(byte) for byte in shown] + [chr(256 + index) for index in range(len(hidden))]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}


def _tokenizer(pad: str = "<|endoftext|>") -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(vocab=_vocabulary(), merges=[], pad_token=pad, model_max_length=77)


def write_safetensors(path: Path, shapes: dict[str, list[int]]) -> Path:
    """A safetensors file with a true header and zeros, for those who read the header only."""
    header: dict[str, Any] = {}
    offset = 0
    for name, shape in shapes.items():
        size = 2
        for edge in shape:
            size *= edge
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    encoded = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        file.truncate(8 + len(encoded) + offset)
    return path
