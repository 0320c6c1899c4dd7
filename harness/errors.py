"""The errors a user can cause. Each carries one line: where, what was found, what was expected, what to do."""

from collections.abc import Iterable


class HarnessError(Exception):
    """Base of every error that reaches the user as one line and never as a traceback."""


class SpecError(HarnessError):
    """A network, layer or training configuration that makes no sense."""


class RuleError(HarnessError):
    """A layer, loss or optimizer lacks a rule, or has one twice."""


class DataError(HarnessError):
    """A data file is absent, damaged or not what its digest says."""


class TraceError(HarnessError):
    """A trace or manifest cannot be read."""


class EmitError(HarnessError):
    """An emitted program does not parse, verify or compile."""


class ContractError(HarnessError):
    """An environment variable or argument of a pipeline is not what the contract allows."""


class BackendError(HarnessError):
    """A backend is unknown, absent or misconfigured."""


class EnvelopeError(HarnessError):
    """An envelope cannot be built, read or kept."""


class ConfigError(HarnessError):
    """A configuration of a night makes no sense."""


class BundleError(HarnessError):
    """A bundle of cells cannot be written, is damaged or not what it claims, or would replace other cells."""


class AttestationError(HarnessError):
    """A statement or a key cannot be read, or a statement cannot be made."""


class ReferenceTraceError(HarnessError):
    """A reference trace is damaged, or a cell cannot become one."""


class RevisionError(HarnessError):
    """A revision of a git repository cannot be had, or its code cannot be run."""


class ModuleError(HarnessError):
    """A StableHLO module cannot be read or judged, or what it is fed does not fit it."""


class PackageError(HarnessError):
    """A package that only this needs is not installed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for a name that is none of `known`: the most similar one, and all of them."""
    from difflib import get_close_matches  # here, because it is slow to import and seldom needed

    names = list(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.7)
    hint = f"; did you mean '{nearest[0]}'? Known are" if nearest else "; known are"
    return f"unknown {kind} '{name}'{hint} {', '.join(names)}."
