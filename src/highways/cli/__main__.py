"""`python -m highways.cli`."""

from highways.cli import main

main()
