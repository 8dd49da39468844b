"""Instruments that look into any trained network, and statistics."""
