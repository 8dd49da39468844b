"""Highways: a reproducible replication of Highway Networks.

P1 is Srivastava, Greff, Schmidhuber, *Highway Networks* (arXiv 1505.00387); P2 is, by the same
authors, *Training Very Deep Networks* (arXiv 1507.06228). Docstrings cite them by these names.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("highways")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
