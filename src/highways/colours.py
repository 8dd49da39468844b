"""Colours of networks in figures and in MLflow: Okabe and Ito's palette, safe for red-green colour blindness."""

NETWORK = {"plain": "#d55e00", "highway": "#0072b2"}
"""Colours of the two kinds of network."""

OTHERS = ("#000000", "#e69f00", "#56b4e9", "#cc79a7", "#6a3d9a", "#7f7f7f")
"""Colours of everything else."""
