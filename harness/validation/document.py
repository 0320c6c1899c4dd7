"""The results of a validation as tables and sentences, for a terminal and as Markdown, and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.report.as_json import plain
from harness.report.markdown import table as markdown_table
from harness.system.text import Document, Table, spaced


@dataclass(frozen=True)
class TableSection:
    """A table, under a title if it has one."""

    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    title: str = ""


def lay_out(sections: Iterable[TableSection], lists: Iterable[Sequence[str]], form: str) -> Document | str:
    """The tables and then the lists of sentences, empty ones left out. `form`: text, or markdown, which is a string."""
    is_markdown = form == "markdown"
    make, mark, bullet = (markdown_table, "### ", "- ") if is_markdown else (Table, "", "")
    parts: list[list[str | Table]] = []
    for section in sections:
        heading = [f"{mark}{section.title}", ""] if section.title else []
        parts.append([*heading, make(section.columns, section.cells)])
    parts += [[f"{bullet}{sentence}" for sentence in sentences] for sentences in lists if sentences]
    document = spaced(Document(part) for part in parts)
    return str(document) if is_markdown else document


def as_json(document: Mapping[str, object]) -> str:
    """The text of a JSON document, NaN and infinities as strings."""
    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
