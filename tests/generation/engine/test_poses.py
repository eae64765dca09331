"""Poses: skeletons as ControlNets know them, told by the owner's models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from generation.engine.failures import CannotDraw
from generation.engine.poses import Poses, _openpose, skeletons
from generation.metadata import read
from generation.modelfiles import UnreadableModel
from generation.redraw import differences, largest_difference, redraw
from tests.generation.controlled import controlled, drawn, steered
from tests.generation.toys import Bench, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

NAMES = (
    *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder"),
    *("left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip"),
    *("left knee", "right knee", "left ankle", "right ankle"),
)
"""COCO's joints, in its order."""
CPU = torch.device("cpu")


def toy_pose(folder: Path, *, joints: int = 17, bias: float = 0.5) -> Path:
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[32, 32],
        patch_size=[8, 8],
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        out_indices=[2],
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=True, num_labels=joints)
    model = transformers.VitPoseForPoseEstimation(config)
    torch.nn.init.constant_(model.head.conv.bias, bias)
    model.save_pretrained(folder)
    said = {"image_processor_type": "VitPoseImageProcessor", "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def toy_people(folder: Path, *, called: str = "person", bias: float = 1.0) -> Path:
    """Finds two people wherever, or nobody with a bias against it."""
    torch.manual_seed(1)
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 32],
        patch_size=8,
        num_detection_tokens=2,
        id2label={0: called},
        label2id={called: 0},
    )
    model = transformers.YolosForObjectDetection(config)
    torch.nn.init.constant_(model.class_labels_classifier.layers[-1].bias[:1], bias)
    model.save_pretrained(folder)
    said = {"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 32, "longest_edge": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def scene() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8))


def test_joints_have_openposes_places_and_colours() -> None:
    points = np.array([(20.0 + 11 * n, 30.0 + 23 * n) for n in range(17)])
    joints = _openpose(points, np.ones(17))
    (drawn_,) = (np.asarray(skeletons([joints], 256, 512)),)

    def colour(name: str) -> tuple[int, ...]:
        x, y = points[NAMES.index(name)]
        return tuple(int(level) for level in drawn_[round(y), round(x)])

    assert colour("nose") == (255, 0, 0)
    assert colour("right shoulder") == (255, 170, 0)
    assert colour("left wrist") == (0, 255, 85)
    assert colour("right hip") == (0, 255, 170)
    assert colour("left ankle") == (85, 0, 255)
    assert colour("right eye") == (170, 0, 255)
    assert colour("left ear") == (255, 0, 85)
    neck = points[[NAMES.index("left shoulder"), NAMES.index("right shoulder")]].mean(axis=0)
    assert tuple(drawn_[round(neck[1]), round(neck[0])]) == (255, 85, 0)


def test_what_is_not_seen_is_not_drawn() -> None:
    points, scores = np.full((17, 2), 30.0), np.zeros(17)
    scores[NAMES.index("left shoulder")] = 0.9
    joints = _openpose(points, scores)
    assert [n for n, joint in enumerate(joints) if joint is not None] == [5]  # and no neck between two


def test_a_pose_steers_a_picture_which_is_drawn_again_from_its_file(
    sd_bench: Bench, toy_nets: Path, tmp_path: Path
) -> None:
    pose, people = toy_pose(tmp_path / "pose"), toy_people(tmp_path / "people")
    bench = steered(sd_bench, toy_nets, pose=pose, people=people)
    task = controlled(bench.source, ("toy-depth", {"preprocessor": "pose"}))
    last = drawn(bench, task)
    (shown,) = map(picture, last.shown)
    assert len(shown.getcolors() or ()) > 2
    settings = read(last.png)
    assert settings.record is not None
    (told,) = settings.record["controls"]
    assert (told["preprocessor"], len(told["preprocessor_hash"])) == ("pose", 10)
    for digest, data in task.inputs.items():
        (tmp_path / digest[:2]).mkdir()
        (tmp_path / digest[:2] / digest).write_bytes(data)
    where = {"pose": pose, "people": people}
    again = redraw(settings, model=bench.source, files=tmp_path, controlnets=toy_nets, looked=where)
    assert largest_difference(last.png, again) == 0
    assert differences(settings.record, read(again).record or {}) == []


def test_everybody_who_is_found_is_drawn_and_nobody_is_a_sentence(tmp_path: Path) -> None:
    pose = toy_pose(tmp_path / "pose")
    alone = Poses(pose)(scene(), CPU)
    two = Poses(pose, toy_people(tmp_path / "two"))
    assert two(scene(), CPU).size == scene().size
    assert np.asarray(two(scene(), CPU)).tobytes() != np.asarray(alone).tobytes()
    assert two.hash != Poses(pose).hash
    with pytest.raises(CannotDraw, match="found nobody"):
        Poses(pose, toy_people(tmp_path / "none", bias=-9.0))(scene(), CPU)
    with pytest.raises(CannotDraw, match="found nobody"):
        Poses(toy_pose(tmp_path / "unsure", bias=-9.0))(scene(), CPU)


def test_models_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="tells 5 joints"):
        Poses(toy_pose(tmp_path / "hands", joints=5))
    pose = toy_pose(tmp_path / "pose")
    with pytest.raises(UnreadableModel, match="knows no person"):
        Poses(pose, toy_people(tmp_path / "cats", called="cat"))
