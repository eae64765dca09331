"""What may stand beside a model at toy size: an SDXL refiner, with its oracle, and a tiny decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from generation.request import GenerationRequest
from tests.generation.toys import _text_config, _tokenizer, _vae


def build_refiner(folder: Path, *, second: int = 16, wants_score: bool = True) -> Path:
    """A refiner whose every weight is random; `second` is the width of its text encoder."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline, UNet2DConditionModel
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(5)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 1),
        use_linear_projection=True,
        cross_attention_dim=second,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=(5 if wants_score else 6) * 8 + second,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    pipe = StableDiffusionXLImg2ImgPipeline(
        vae=_vae(),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=CLIPTextModelWithProjection(_text_config(second)),
        tokenizer_2=_tokenizer(pad="!"),
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading"
        ),
        requires_aesthetics_score=wants_score,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipe.save_pretrained(folder)
    return folder


class Ensemble:
    """diffusers' own two pipelines, the second of which goes on with the latents of the first."""

    def __init__(self, base: Path, refiner: Path) -> None:
        from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

        self.base: Any = StableDiffusionXLPipeline.from_pretrained(base, add_watermarker=False)
        self.refiner: Any = StableDiffusionXLImg2ImgPipeline.from_pretrained(
            refiner, vae=self.base.vae, add_watermarker=False
        )
        self._pipes = tuple((pipe, dict(pipe.scheduler.config)) for pipe in (self.base, self.refiner))
        for pipe, _ in self._pipes:
            pipe.set_progress_bar_config(disable=True)

    def picture(
        self,
        request: GenerationRequest,
        start: float,
        *,
        whole_steps: bool = False,
        photo: Image.Image | None = None,
    ) -> Image.Image:
        """
        Args:
            photo: what the first of them starts from, with the request's strength.
            whole_steps: with a sampler of two calls a step, leave out the first call of a step that the
                refiner walks from its beginning; the pipelines by themselves walk it twice then.
        """
        import torch

        from generation.samplers import SAMPLERS
        from tests.generation.toys import stock_scheduler

        spec = SAMPLERS[request.sampler]
        for pipe, config in self._pipes:
            pipe.scheduler = stock_scheduler(request.sampler, config)
        generator = torch.Generator("cpu").manual_seed(request.seed)
        both: dict[str, Any] = {
            "negative_prompt": request.negative_prompt or None,
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance,
            "generator": generator,
        }
        if spec.sampler == "TCD":  # as its step has it by itself; the pipelines say 0
            both["eta"] = 0.3

        def leave_the_last(pipe: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            calls = pipe.num_timesteps
            pipe._interrupt = whole_steps and index + 1 >= calls - calls % pipe.scheduler.order
            return tensors

        base = self.base
        shape: dict[str, Any] = {"width": request.size.width, "height": request.size.height}
        if photo is not None and request.start is not None:
            base, shape = self._from_photo(), {"image": photo, "strength": request.start.strength}
        latents = base(
            request.prompt,
            **shape,
            denoising_end=start,
            output_type="latent",
            callback_on_step_end=leave_the_last,
            **both,
        ).images
        drawn = self.refiner(request.prompt, image=latents, denoising_start=start, **both)
        image: Image.Image = drawn.images[0]
        return image

    def _from_photo(self) -> Any:
        """The first pipeline, with latents in plain memory order: the UNet's last bits depend on it."""
        from diffusers import StableDiffusionXLImg2ImgPipeline

        pipe = StableDiffusionXLImg2ImgPipeline(**self.base.components, add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        prepare = pipe.prepare_latents
        pipe.prepare_latents = lambda *args, **kwargs: prepare(*args, **kwargs).contiguous()
        return pipe


def build_taesd(folder: Path, *, channels: int = 4) -> Path:
    """A tiny decoder whose every weight is random."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(6)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(4, 4, 4, 4),
        decoder_block_out_channels=(4, 4, 4, 4),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
        latent_channels=channels,
    )
    with torch.no_grad():  # random weights decode to nearly grey
        tiny.decoder.layers[-1].weight.mul_(8)
        tiny.decoder.layers[-1].bias.fill_(0.5)
    tiny.save_pretrained(folder)
    return folder
