"""Data sets: fetched and checked (`sources`), converted to tensors (`images`, `text`), split into batches."""

from highways.data.images import Images
from highways.data.loading import DataSet, classes, examples, fingerprint, load, majority, trained_on
from highways.data.pictures import Pictures
from highways.data.sentences import Sentences
from highways.data.sources import Source, locate, sources
