"""Parses and verifies StableHLO text with the compiler's own MLIR library."""

import iree.compiler.ir as ir

from harness.errors import EmitError


def verify_module(text: str, where: str) -> None:
    """Parse `text` and run the verifiers of its operations.

    Raises: EmitError with `where` and the first diagnostic, line and column included.
    """
    with ir.Context():
        try:
            ir.Module.parse(text).operation.verify()
        except ir.MLIRError as error:
            first = error.error_diagnostics[0]
            raise EmitError(f"{where}: {first.location}: {first.message}") from None
