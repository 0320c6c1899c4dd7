"""A class's name tells what it is, in whatever file it is read: no two classes of the package have the same."""

import ast
from collections import defaultdict
from pathlib import Path

import harness


def test_no_class_name_stands_twice() -> None:
    root = Path(harness.__file__).parent
    places = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
