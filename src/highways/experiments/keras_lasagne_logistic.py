"""Logistic regression, the level to beat."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from highways.config import DataConfig, RunConfig
from highways.config.analysis import Measure
from highways.config.run import FeatureDataName
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.inside.values import lists


class LogisticConfig(Measure):
    """Logistic regression, the level to beat (the Keras/Lasagne question)."""

    kind: str = "logistic"
    version: ClassVar[int] = 1
    data: FeatureDataName
    training_examples: int | None = Field(default=None, ge=1)
    """The first so many; all by default."""

    @property
    def data_set(self) -> DataConfig:
        """See `Measure`."""
        return DataConfig(name=self.data, training_examples=self.training_examples)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(logistic(self))


def logistic(config: LogisticConfig) -> dict[str, Tensor]:
    """Fit scikit-learn's logistic regression, with its default penalty, to standardised features.

    Returns:
        `test_accuracy` and `train_accuracy`.

    Raises:
        HighwaysError: The training examples asked for are more than there are, or have one class only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load(config.data_set)
    assert isinstance(data, Images)
    if len(data.train_y.unique()) < 2:
        raise HighwaysError(f"{config.data}: its first {len(data.train_y)} training examples have one class only")
    train, test = (data.train_x.numpy(), data.train_y.numpy()), (data.test_x.numpy(), data.test_y.numpy())
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(*train)
    scores = {"test_accuracy": fitted.score(*test), "train_accuracy": fitted.score(*train)}
    return {name: torch.tensor([score], dtype=torch.float64) for name, score in scores.items()}
