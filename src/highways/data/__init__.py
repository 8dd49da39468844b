"""Data sets: fetched and checked (`sources`), turned into tensors (`images`), cut into batches (`batches`)."""

from highways.data.batches import Batches
from highways.data.images import Images, load
from highways.data.sources import Source, examples, fetch, fingerprint, locate, sources

__all__ = ["Batches", "Images", "Source", "examples", "fetch", "fingerprint", "load", "locate", "sources"]
