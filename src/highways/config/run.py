"""`RunConfig`: everything that decides the result of one training run.

What does not decide it (device, engine, threads, how many runs are trained together) is not here;
it is written into the record instead.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from highways.config.base import Strict

NUMERICS: dict[str, int] = {"dense": 1}
"""Numerics version of each network family. Raise one by hand when a change alters that family's
results: its runs then get new keys and are trained again. `tests/test_golden.py` notices when it
should have been raised."""

DataName = Literal["digits", "mnist"]


class DataConfig(Strict):
    """The data set a run is trained and tested on."""

    name: DataName
    """`digits` is scikit-learn's (1,797 images of 8x8), `mnist` has 60,000 + 10,000 of 28x28."""


class DenseConfig(Strict):
    """A fully-connected network: a plain layer to `width`, `depth - 1` further layers, a softmax.

    Source: P1 sec. 3.1 and P2 sec. 3.1. `depth` counts as they do, the softmax layer is not counted.
    """

    family: Literal["dense"] = "dense"
    kind: Literal["plain", "highway"]
    depth: int = Field(ge=1, le=10_000)
    width: int = Field(ge=1)
    activation: Literal["relu", "tanh"] = "relu"
    transform_bias: float | None = None
    """Initial bias of the transform gates; highway networks only, and there it must be given."""
    initialisation: Literal["he_normal"] = "he_normal"
    """Of all weights: N(0, 2 / fan-in) (He et al. 2015), as P1 sec. 3.1 has it. Biases start at 0."""

    @model_validator(mode="after")
    def _gate_only_in_highways(self) -> DenseConfig:
        if (self.kind == "highway") != (self.transform_bias is not None):
            raise ValueError("transform_bias belongs to highway networks, which need it, and to no others")
        return self


class SGDConfig(Strict):
    """Stochastic gradient descent with momentum: v = momentum * v + g; w = w - rate * v."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(gt=0)
    """Of the first epoch."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    decay: float = Field(default=1.0, gt=0, le=1)
    """Factor of the learning rate from one epoch to the next (exponential decay)."""


class BudgetConfig(Strict):
    """How long a run is trained, and in what portions."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """The last batch of an epoch may be smaller; no example is left out."""


class RunConfig(Strict):
    """One training run, as a value: equal configurations give equal results.

    `seed` draws the initial weights, `order_seed` the order of the examples.
    """

    data: DataConfig
    network: Annotated[DenseConfig, Field()]
    optimiser: SGDConfig
    budget: BudgetConfig
    seed: int = Field(default=0, ge=0)
    order_seed: int = Field(default=0, ge=0)
    precision: Literal["float32"] = "float32"

    @property
    def numerics(self) -> int:
        """Numerics version of the network's family."""
        return NUMERICS[self.network.family]

    def key(self, fingerprint: str) -> str:
        """Return the run's key: a readable slug and a hash.

        The hash covers the configuration, the data's fingerprint and the numerics version. A field
        that has its default value does not enter, so that a field added later, whose default is what
        was done before, leaves the keys of finished runs as they are. (The tag of a kind that joins a
        union later, such as another optimiser's, has no default: else two kinds would have one key.)

        Args:
            fingerprint: That of the data set (`highways.data.fingerprint`).
        """
        content = json.dumps(
            {
                "config": self.model_dump(mode="json", exclude_defaults=True),
                "data": fingerprint,
                "family": self.network.family,
                "numerics": self.numerics,
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        return f"{self.slug}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    @property
    def slug(self) -> str:
        """Return what a person wants to see of the run in a list; not unique."""
        network = self.network
        parts = [network.kind, f"d{network.depth:03d}", self.data.name, network.activation]
        parts.append(f"lr{self.optimiser.learning_rate:.2g}")
        if network.transform_bias is not None:
            parts.append(f"b{network.transform_bias:.2g}")
        parts.append(f"s{self.seed}")
        return "-".join(parts)

    def flat(self) -> dict[str, Any]:
        """Return the configuration as one level of `section.field` keys (MLflow parameters)."""
        flat: dict[str, Any] = {}
        for name, value in self.model_dump(mode="json").items():
            if isinstance(value, dict):
                flat |= {f"{name}.{field}": content for field, content in value.items()}
            else:
                flat[name] = value
        return flat
