"""Runs case documents over the compiled graph."""
