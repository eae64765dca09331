"""Shares the parts of a batch among the processor's cores, each core taking the next part when it is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

Part = TypeVar("Part")
Result = TypeVar("Result")


class Team:
    """Threads that each compute alone, which needs fewer meetings than splitting every single operation.

    On a machine that is busy with other things a slowed core then delays a part, and not every operation.
    The sum of the gradients does not depend on which thread computed which part.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def begin(self, job: Callable[[], Result]) -> Future[Result]:
        """Has one of the threads do something meanwhile."""
        return self._pool.submit(job)

    def backward(self, model: nn.Module, loss_of: Callable[[Part], Tensor], parts: Sequence[Part]) -> float:
        """Sets the gradients of the mean of `loss_of` over the parts, and returns that mean.

        Parameters that are frozen get none.
        """
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

        def share(part: Part) -> tuple[float, tuple[Tensor, ...]]:
            loss = loss_of(part) / len(parts)
            return loss.item(), torch.autograd.grad(loss, parameters)

        shares = [share(parts[0])] if len(parts) == 1 else list(self._pool.map(share, parts))
        total, *rest = ([*gradients] for _, gradients in shares)
        for gradients in rest:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(parameters, total, strict=True):
            parameter.grad = gradient
        return sum(loss for loss, _ in shares)
