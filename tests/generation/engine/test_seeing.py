"""What tells poses and depth: joints and limbs as OpenPose has them, models as they are meant."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from generation.engine import poses
from generation.engine.depths import Depths
from generation.engine.failures import CannotDraw
from generation.engine.poses import Poses, _openpose, skeletons
from generation.modelfiles import UnreadableModel, weights_in
from tests.generation.engine.test_poses import CPU, NAMES, scene, toy_people, toy_pose

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

COLOURS = {
    "nose": (255, 0, 0),
    "right shoulder": (255, 170, 0),
    "right elbow": (255, 255, 0),
    "right wrist": (170, 255, 0),
    "left shoulder": (85, 255, 0),
    "left elbow": (0, 255, 0),
    "left wrist": (0, 255, 85),
    "right hip": (0, 255, 170),
    "right knee": (0, 255, 255),
    "right ankle": (0, 170, 255),
    "left hip": (0, 85, 255),
    "left knee": (0, 0, 255),
    "left ankle": (85, 0, 255),
    "right eye": (170, 0, 255),
    "left eye": (255, 0, 255),
    "right ear": (255, 0, 170),
    "left ear": (255, 0, 85),
}
"""Of OpenPose's joints, as its drawings are known."""
LIMBS = (
    *("2-3", "2-6", "3-4", "4-5", "6-7", "7-8", "2-9", "9-10", "10-11", "2-12", "12-13", "13-14"),
    *("2-1", "1-15", "15-17", "1-16", "16-18"),
)
"""Between which joints, counted from 1, in the order in which they have the colours of joints 1, 2, 3, ..."""


def colour_at(drawn: Image.Image, x: float, y: float) -> tuple[int, ...]:
    found = drawn.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


def test_each_joint_of_coco_has_its_place_and_colour() -> None:
    for name, colour in COLOURS.items():
        points, scores = np.full((17, 2), 100.0), np.zeros(17)
        points[NAMES.index(name)] = (30.0, 40.0)
        scores[NAMES.index(name)] = 1.0
        drawn = skeletons([_openpose(points, scores)], 128, 128)
        assert colour_at(drawn, 30, 40) == colour, name
        assert colour_at(drawn, 100, 100) == (0, 0, 0)


def test_each_limb_joins_its_two_joints_in_its_colour_a_little_darker() -> None:
    every = [(255, 0, 0), (255, 85, 0), *list(COLOURS.values())[1:]]
    for number, limb in enumerate(LIMBS):
        joints: list[Any] = [None] * 18
        first, second = (int(end) - 1 for end in limb.split("-"))
        joints[first], joints[second] = (20.0, 30.0), (100.0, 90.0)
        drawn = skeletons([joints], 128, 128)
        assert colour_at(drawn, 60, 60) == tuple(int(level * 0.6) for level in every[number]), limb


@pytest.mark.parametrize(("edge", "radius"), [(64, 2), (512, 4), (1024, 8)])
def test_joints_are_as_wide_as_openpose_has_them_in_a_picture_of_that_size(edge: int, radius: int) -> None:
    joints: list[Any] = [None] * 18
    joints[0] = (30.0, 30.0)
    drawn = skeletons([joints], edge, edge)
    assert colour_at(drawn, 30 + radius, 30) == (255, 0, 0)
    assert colour_at(drawn, 30 + radius + 1, 30) == (0, 0, 0)


def test_a_place_that_is_no_number_is_not_seen() -> None:
    points = np.full((17, 2), 30.0)
    points[NAMES.index("nose")] = (np.nan, 3.0)
    points[NAMES.index("left eye")] = (np.inf, 3.0)
    joints = _openpose(points, np.ones(17))
    assert joints[0] is None
    assert sum(joint is None for joint in joints) == 2


def test_people_are_looked_for_in_the_boxes_of_the_detector_those_seen_best_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = toy_people(tmp_path / "people")
    detector = transformers.YolosForObjectDetection.from_pretrained(people)
    with torch.no_grad():
        for weight in detector.parameters():
            weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(weight.numel()))
        detector.class_labels_classifier.layers[-1].bias[0] = 2.0  # both are persons
    detector.save_pretrained(people)
    both = Poses(toy_pose(tmp_path / "pose"), people)
    picture = scene()
    with torch.inference_mode():
        found = both._finder.post_process_object_detection(
            both._detector(**both._finder(images=picture, return_tensors="pt")),
            threshold=0.0,
            target_sizes=[(picture.height, picture.width)],
        )[0]
        boxes = both._boxes(picture, CPU)
        monkeypatch.setattr(poses, "MOST_PEOPLE", 1)
        best = both._boxes(picture, CPU)
    by_score = [found["boxes"][at].tolist() for at in found["scores"].argsort(descending=True)]
    wanted = [[x, y, right - x, bottom - y] for x, y, right, bottom in by_score]
    assert len(wanted) == 2
    assert found["scores"][0] != found["scores"][1], "else nothing has an order"
    torch.testing.assert_close(torch.tensor(boxes), torch.tensor(wanted))
    torch.testing.assert_close(torch.tensor(best), torch.tensor(wanted[:1]))


def test_what_is_no_person_has_no_pose(tmp_path: Path) -> None:
    torch.manual_seed(1)
    folder = toy_people(tmp_path / "pets")
    config = transformers.YolosConfig.from_pretrained(folder)
    config.id2label, config.label2id = {0: "person", 1: "cat"}, {"person": 0, "cat": 1}
    pets = transformers.YolosForObjectDetection(config)
    torch.nn.init.constant_(pets.class_labels_classifier.layers[-1].bias[1:2], 9.0)
    pets.save_pretrained(folder)
    with pytest.raises(CannotDraw, match="found nobody"):
        Poses(toy_pose(tmp_path / "pose"), folder)(scene(), CPU)


def test_another_detector_is_told_by_the_record(tmp_path: Path) -> None:
    pose = toy_pose(tmp_path / "pose")
    one, other = (toy_people(tmp_path / name, bias=bias) for name, bias in (("a", 1.0), ("b", 2.0)))
    assert Poses(pose, one).hash == Poses(pose, one).hash != Poses(pose, other).hash


def test_a_model_of_experts_is_asked_for_the_one_that_learned_people(tmp_path: Path) -> None:
    folder = toy_pose(tmp_path / "pose")
    config = transformers.VitPoseConfig.from_pretrained(folder)
    config.backbone_config.num_experts, config.backbone_config.part_features = 2, 4
    torch.manual_seed(0)
    model = transformers.VitPoseForPoseEstimation(config)
    torch.nn.init.constant_(model.head.conv.bias, 0.5)
    model.save_pretrained(folder)
    assert Poses(folder)(scene(), CPU).size == scene().size


# Depth ------------------------------------------------------------------------------------------------------


def toy_depth(folder: Path, change: Callable[[Any], None] = lambda model: None, **config: Any) -> Path:
    """A Depth Anything."""
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    model = transformers.DepthAnythingForDepthEstimation(
        transformers.DepthAnythingConfig(
            backbone_config=backbone,
            patch_size=14,
            reassemble_hidden_size=16,
            neck_hidden_sizes=[8, 8, 8, 8],
            fusion_hidden_size=8,
            **config,
        )
    )
    with torch.no_grad():
        for weight in model.parameters():  # else it hardly tells one picture from another
            if weight.ndim > 1:
                weight.normal_(0, 0.2)
        model.head.conv3.bias.fill_(1.0)  # what is below 0 would be cut off
        change(model)
    model.save_pretrained(folder)
    said = {"image_processor_type": "DPTImageProcessor", "size": {"height": 56, "width": 56}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


@torch.inference_mode()
def told(depths: Depths, picture: Image.Image) -> np.ndarray[Any, Any]:
    """What the model itself says, scaled from 0 to 1."""
    found = depths._processor.post_process_depth_estimation(
        depths._model(**depths._processor(images=picture, return_tensors="pt")),
        target_sizes=[(picture.height, picture.width)],
    )[0]["predicted_depth"].numpy()
    scaled: np.ndarray[Any, Any] = (found - found.min()) / (found.max() - found.min())
    return scaled


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_what_is_near_is_white_whatever_the_model_counts(kind: str, tmp_path: Path) -> None:
    depths = Depths(toy_depth(tmp_path, depth_estimation_type=kind, max_depth=20))
    shown, levels = depths(scene(), CPU), told(depths, scene())
    assert shown.size == scene().size == (48, 64)
    wanted = levels if kind == "relative" else 1 - levels
    assert np.abs(np.asarray(shown.convert("L")) / 255 - wanted).max() < 0.01
    assert levels.std() > 0.05, "else white and black are the same"


@pytest.mark.parametrize("value", [0.0, float("nan")], ids=["flat but for rounding", "no numbers"])
def test_where_there_is_no_depth_there_is_a_sentence(value: float, tmp_path: Path) -> None:
    depths = Depths(toy_depth(tmp_path, lambda model: model.head.conv3.weight.fill_(value)))
    with pytest.raises(CannotDraw, match="found no depth"):
        depths(scene(), CPU)


def test_weights_are_never_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnreadableModel, match=r"no \.safetensors file"):
        weights_in(tmp_path)
