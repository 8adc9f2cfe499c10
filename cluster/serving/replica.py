"""A worker: a replica of Ray Serve, with the model in a process of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
import torch
from PIL import Image
from ray import serve

from advent_dist.runs.serving.answer import Answer, Answerer, refusal
from advent_dist.runs.serving.sent_image import open_sent


class Replica:
    """Answers images, some at a time.

    Args:
        answerer: Where the model is, in a list, since Ray would fetch it for whoever starts this.
        on_gpu: Whether it belongs on the GPU.
        together: Images at most in one pass of the network.
        most_pixels: See `open_sent`.
    """

    def __init__(self, answerer: list[Any], on_gpu: bool, together: int, most_pixels: int) -> None:
        model: Answerer = ray.get(answerer[0])
        self._answerer = model.to(torch.device("cuda" if on_gpu else "cpu"))
        self._most_pixels = most_pixels
        # What waits is taken, and nothing waited for: others come in while a batch is computed.
        in_batches = serve.batch(max_batch_size=together, batch_wait_timeout_s=0.0)
        self._answer = in_batches(self._answers)

    async def __call__(self, data: bytes, kind: str) -> Answer:
        """The answer to a file of an image."""
        image = await asyncio.to_thread(open_sent, data, self._most_pixels)
        return image if isinstance(image, Answer) else await self._answer((image, kind))

    async def _answers(self, asked: list[tuple[Image.Image, str]]) -> list[Answer]:
        images, kinds = [image for image, _ in asked], [kind for _, kind in asked]
        try:
            return await asyncio.to_thread(self._answerer.answers, images, kinds)
        except (MemoryError, torch.OutOfMemoryError):
            why = "there is too little memory for the image; make it smaller, or send it later"
            return [refusal(503, why)] * len(images)
