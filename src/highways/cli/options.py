"""What several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highways.errors import HighwaysError

ProfileOption = Annotated[str | None, typer.Option(help="Name of the profile; by default those active in params.yaml.")]


def profiles_given(given: str | None) -> list[str]:
    """Return the profile that was asked for, or those active in params.yaml."""
    from highways.config import active_profiles
    from highways.config.profiles import profile_names

    if given is None:
        return active_profiles()
    if given not in profile_names():
        raise HighwaysError(f"no profile {given!r}; there are: {', '.join(profile_names())}")
    return [given]


def relative(path: Path) -> str:
    """Return a path as it is shown: from the project's root."""
    from highways import paths

    return str(path.relative_to(paths.root()) if path.is_relative_to(paths.root()) else path)
