"""What goes from the CPU onto the device; that it waits for nobody on CUDA no test here can show."""

from __future__ import annotations

import torch

from generation.engine.uploads import to_device


def test_where_there_is_no_cuda_it_is_the_same_tensor_or_the_same_numbers() -> None:
    cpu, numbers = torch.device("cpu"), torch.arange(4)
    assert to_device(numbers, cpu) is numbers
    assert to_device(numbers, cpu, torch.float32).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert to_device(numbers, torch.device("meta")).device.type == "meta"
