"""Readable durations."""


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes, hours or days, whichever reads best."""
    for size, name, most in ((1, "s", 100), (60, "min", 100), (3600, "h", 48)):
        if seconds < most * size:
            return f"{seconds / size:.{1 if name == 'h' else 0}f} {name}"
    return f"{seconds / 86400:.0f} days"
