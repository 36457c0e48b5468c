"""Catalogue files: reading, writing and importing them."""
