"""The engine `ray`: groups are trained on a cluster of machines, or on this one's cores, and stored here.

`cluster` connects and says what there is, `task` is what a worker does, `engine` sends, waits and stores. Importing
this package needs Ray.
"""

from highways.training.on_ray.engine import RayEngine

__all__ = ["RayEngine"]
