"""The schemas of the JSON documents, as a test asks them."""

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from tests.support.paths import ROOT

FOLDER = ROOT / "harness" / "report" / "schema"
SCHEMAS: dict[str, dict[str, Any]] = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def violation(document: Any, name: str) -> str | None:
    """First violation of its schema (`diff`, `verify`) by a document, and its place; None when it conforms."""
    validator = Draft202012Validator(SCHEMAS[f"{name}.schema.json"], registry=REGISTRY)
    error = best_match(validator.iter_errors(document))
    return None if error is None else f"{error.json_path}: {error.message}"
