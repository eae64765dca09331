"""How people in a picture stand, told by a model of the owner's and drawn as ControlNets learned it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from generation.engine.failures import CannotDraw
from generation.engine.hashes import unchanged
from generation.engine.memory import footprint
from generation.modelfiles import UnreadableModel, weights_in
from generation.sentence import say

Joint: TypeAlias = "tuple[float, float] | None"
"""Where it is, in pixels; None: it is not seen."""

SURE = 0.3
"""From this score on a joint or a person counts as seen, as in mmpose and DWPose."""
MOST_PEOPLE = 20

COCO = 17
"""Joints that a model of the common data set tells: nose, eyes, ears, shoulders, elbows, wrists, hips, ..."""
_BODY = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's 18 joints, of which the neck stands between the shoulders, as numbers of COCO's."""
_NECK, _SHOULDERS = 1, (2, 5)

_LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
_COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
"""Of limbs, darkened, and of joints, in the order and the colours of OpenPose: what ControlNets know."""
_DARKENED = 0.6


class Poses:
    """ViTPose, and before it any detector of transformers that knows people (RT-DETR, DETR, YOLOS)."""

    def __init__(self, folder: Path, people: Path | None = None) -> None:
        """
        Args:
            people: the detector; None: the whole picture counts as one person.

        Whatever it raises: it cannot be read.
        """
        from transformers import (
            AutoImageProcessor,
            AutoModelForObjectDetection,
            VitPoseForPoseEstimation,
            VitPoseImageProcessorPil,
        )

        options: dict[str, Any] = {"local_files_only": True}
        with unchanged(*weights_in(folder)) as self.hash:
            self._processor = VitPoseImageProcessorPil.from_pretrained(str(folder), **options)
            self._model: Any = VitPoseForPoseEstimation.from_pretrained(
                str(folder), dtype=torch.float32, use_safetensors=True, **options
            )
        if (joints := self._model.head.conv.out_channels) != COCO:
            raise UnreadableModel(f"it tells {joints} joints, and I know the {COCO} of COCO")
        self._model.eval().requires_grad_(False)
        self._detector: Any = None
        if people is None:
            return
        with unchanged(*weights_in(people)) as theirs:
            self._finder = AutoImageProcessor.from_pretrained(str(people), **options)
            self._detector = AutoModelForObjectDetection.from_pretrained(
                str(people), dtype=torch.float32, use_safetensors=True, **options
            )
        self._detector.eval().requires_grad_(False)
        labels = self._detector.config.id2label
        self._person = next((n for n, name in labels.items() if name.casefold() == "person"), None)
        if self._person is None:
            raise UnreadableModel(f"the detector {people} knows no person")
        self.hash = hashlib.sha256(f"{self.hash}{theirs}".encode()).hexdigest()[:10]

    @property
    def footprint(self) -> int:
        """Bytes of its weights."""
        return footprint(*self._models)

    @property
    def _models(self) -> list[Any]:
        return [each for each in (self._model, self._detector) if each is not None]

    @torch.inference_mode()
    def __call__(self, picture: Image.Image, device: torch.device) -> Image.Image:
        """The skeletons on black, in RGB of the picture's size."""
        try:
            for each in self._models:
                each.to(device)
            people = self._people(picture.convert("RGB"), device)
        finally:
            for each in self._models:
                each.to("cpu")
        if not any(any(joint is not None for joint in person) for person in people):
            raise CannotDraw(
                say("I found nobody in the picture whose pose I could tell; take a clearer one.")
            )
        return skeletons(people, picture.width, picture.height)

    def _people(self, picture: Image.Image, device: torch.device) -> list[Sequence[Joint]]:
        boxes = self._boxes(picture, device)
        if not boxes:
            return []
        inputs = self._processor(picture, boxes=[boxes], return_tensors="pt").to(device)
        if self._model.config.backbone_config.num_experts > 1:  # ViTPose++: the expert for COCO is the first
            inputs["dataset_index"] = torch.zeros(len(boxes), dtype=torch.int64, device=device)
        (found,) = self._processor.post_process_pose_estimation(self._model(**inputs), boxes=[boxes])
        return [_openpose(person["keypoints"].numpy(), person["scores"].numpy()) for person in found]

    def _boxes(self, picture: Image.Image, device: torch.device) -> list[list[float]]:
        """Left, top, width and height of everybody, in pixels; those seen best first."""
        if self._detector is None:
            return [[0.0, 0.0, float(picture.width), float(picture.height)]]
        inputs = self._finder(images=picture, return_tensors="pt").to(device)
        (found,) = self._finder.post_process_object_detection(
            self._detector(**inputs), threshold=SURE, target_sizes=[(picture.height, picture.width)]
        )
        seen = sorted(
            (
                (float(score), box.tolist())
                for score, label, box in zip(found["scores"], found["labels"], found["boxes"], strict=True)
                if int(label) == self._person
            ),
            key=lambda each: -each[0],
        )
        return [
            [left, top, right - left, bottom - top] for _, (left, top, right, bottom) in seen[:MOST_PEOPLE]
        ]


def _openpose(points: NDArray[Any], scores: NDArray[Any]) -> Sequence[Joint]:
    """OpenPose's joints of COCO's: points (17, 2) in pixels, scores (17,)."""

    def at(number: int) -> Joint:
        seen = scores[number] >= SURE and np.isfinite(points[number]).all()
        return (float(points[number][0]), float(points[number][1])) if seen else None

    joints = [None if number is None else at(number) for number in _BODY]
    right, left = (joints[number] for number in _SHOULDERS)
    if right is not None and left is not None:
        joints[_NECK] = ((right[0] + left[0]) / 2, (right[1] + left[1]) / 2)
    return joints


def skeletons(people: Sequence[Sequence[Joint]], width: int, height: int) -> Image.Image:
    """People as OpenPose draws them: limbs as ellipses, joints as discs, on black.

    Args:
        people: 18 joints each, in OpenPose's order.
    """
    drawn = np.zeros((height, width, 3), np.uint8)
    # OpenPose's widths suit a short edge of 512 pixels; larger pictures are scaled down to what is drawn.
    thick = max(2, round(4 * min(width, height) / 512))
    for joints in people:
        for (first, second), colour in zip(_LIMBS, _COLOURS, strict=False):
            one, other = joints[first], joints[second]
            if one is None or other is None:
                continue
            middle = (round((one[0] + other[0]) / 2), round((one[1] + other[1]) / 2))
            across, down = one[0] - other[0], one[1] - other[1]
            axes = (max(1, round(float(np.hypot(across, down)) / 2)), thick)
            angle = round(float(np.degrees(np.arctan2(down, across))))
            shape = np.array(cv2.ellipse2Poly(middle, axes, angle, 0, 360, 1))
            cv2.fillConvexPoly(drawn, shape, [level * _DARKENED for level in colour])
    for joints in people:
        for joint, colour in zip(joints, _COLOURS, strict=True):
            if joint is not None:
                cv2.circle(drawn, (round(joint[0]), round(joint[1])), thick, colour, thickness=-1)
    return Image.fromarray(drawn)
