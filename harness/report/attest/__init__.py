"""Where a cell and a verdict come from, as in-toto statements that other tools read.

A statement binds files by their digests (its subjects) to how they were made (SLSA provenance). `harness attest make`
writes statements, `harness attest verify` holds files to them.
"""
