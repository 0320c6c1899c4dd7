"""Cells that travel between hosts: `harness export` packs them into one file, `harness import` takes them in.

A bundle is somebody else's file. Whatever it claims is checked before anything of it can be seen.
"""
