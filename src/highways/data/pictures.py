"""Images for convolutional networks: bytes on the device, preprocessed and augmented one batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional

from highways.config import Part, PicturesConfig, RunConfig
from highways.data.batches import Batches, Labelled
from highways.data.images import EVALUATION_BATCH


@dataclass(frozen=True)
class Pictures(Labelled):
    """A data set of images, `(examples, channels, height, width)`, uint8, and how to preprocess them."""

    config: PicturesConfig
    mean: Tensor | None = None
    """Mean image of the training part, `(channels, height, width)`; `None` if it is not subtracted."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.x["train"].shape[1:]
        return channels, height, width

    def size(self, part: Part) -> int:
        count = len(self.y[part])
        return min(count, 10_000) if part == "train" else count  # all would cost a third of the training

    def prepared(self, images: Tensor) -> Tensor:
        """Convert bytes, `(batch, channels, height, width)`, to a network's input without augmentation, float32."""
        x = contrasted(images, self.config)
        return x if self.mean is None else x - self.mean

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> Batches:
        """Return an epoch's batches of the training part, augmented, in random order; see `Batches`."""
        x, y = self.x["train"], self.y["train"]
        return PictureBatches(x, y, config.budget.batch_size, config.order_seed, epoch, pictures=self)

    def evaluation_batches(self, config: RunConfig, part: Part) -> Batches:
        """Return the batches of a part, not augmented, in the order of the data."""
        count = self.size(part)
        return PictureBatches(self.x[part][:count], self.y[part][:count], EVALUATION_BATCH, pictures=self)


def as_shown(pictures: Pictures) -> Pictures:
    """Enlarge pictures and compute their mean image, if so configured."""
    config, times = pictures.config, pictures.config.enlarge
    images = {part: x.repeat_interleave(times, 2).repeat_interleave(times, 3) for part, x in pictures.x.items()}
    portions = images["train"].split(5_000) if config.mean_image else ()
    sums = [contrasted(portion, config).double().sum(dim=0) for portion in portions]
    mean = (torch.stack(sums).sum(dim=0) / len(images["train"])).float() if sums else None
    return replace(pictures, x=images, mean=mean)


def contrasted(images: Tensor, config: PicturesConfig) -> Tensor:
    """Return images as float32, scaled and, if so configured, each with mean 0 and deviation 1."""
    x = images.float() * config.scale
    if config.contrast:
        x = x - x.mean(dim=(1, 2, 3), keepdim=True)
        x = x / x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-8)
    return x


@dataclass(eq=False)
class PictureBatches(Batches):
    """Batches of images: with a seed, shuffled, cropped and mirrored; without one, as in evaluation."""

    pictures: Pictures = field(kw_only=True)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        random, config, count = self.random(), self.pictures.config, len(self.y)
        batches = self.rows(random)
        shifts = mirrors = torch.empty(0)
        if random is not None:
            shifts = torch.randint(0, 2 * config.pad + 1, (count, 2), generator=random).to(self.x.device)
            mirrors = (torch.rand(count, generator=random) < 0.5).to(self.x.device)
        for number, rows in enumerate(batches):
            x = self.pictures.prepared(self.x[rows])
            if random is not None:
                places = slice(number * self.size, (number + 1) * self.size)
                x = cropped(x, config.pad, shifts[places]) if config.pad else x
                x = torch.where(mirrors[places, None, None, None], x.flip(3), x) if config.mirror else x
            yield x.contiguous(memory_format=torch.channels_last), self.y[rows]


def cropped(x: Tensor, pad: int, shifts: Tensor) -> Tensor:
    """Pad images, `(batch, channels, height, width)`, with `pad` zeros on each side; crop them to their original size.

    `shifts`, `(batch, 2)`, has the first row and column of each crop, from 0 to `2 * pad`.
    """
    windows = functional.pad(x, (pad, pad, pad, pad)).unfold(2, x.shape[2], 1).unfold(3, x.shape[3], 1)
    return windows[torch.arange(len(x), device=x.device), :, shifts[:, 0], shifts[:, 1]]
