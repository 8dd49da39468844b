"""Instruments that analyse any trained network, and statistics."""
