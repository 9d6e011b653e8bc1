"""Composition: read settings, build the objects, run."""
