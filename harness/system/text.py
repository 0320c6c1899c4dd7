"""Text in blocks: lines and tables. As a string they are plain; on a terminal they can be coloured."""

import shutil
import textwrap
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

WIDTH = 110  # of a plain table with long lines, at most
_NARROWEST = 40  # of the column that is wrapped


@dataclass(frozen=True)
class Table:
    """Cells that stay as they are, under columns. `right`: the columns that are aligned there.

    `wrapped`: the last column holds sentences, which go on in the next line where the terminal ends.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[str] = ()
    wrapped: bool = False

    def __str__(self) -> str:
        from tabulate import tabulate  # here, because it takes longer to import than a pair to compare

        rows = [[escape_control(cell) for cell in row] for row in self.rows]
        if self.wrapped:
            others = [max(map(len, cells)) + 2 for cells in list(zip(self.columns, *rows, strict=True))[:-1]]
            width = max(_NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns) - sum(others))
            last = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
            rows = [[*row[:-1], last.fill(row[-1])] for row in rows]
        align = ["right" if column in self.right else "left" for column in self.columns] if rows else None
        return tabulate(rows, headers=self.columns, tablefmt="simple", disable_numparse=True, colalign=align)


@dataclass(frozen=True)
class Document:
    """Lines and tables, one under the other. As a string it is what a file gets."""

    blocks: Sequence[str | Table]

    def __str__(self) -> str:
        return "".join(f"{escape_control(block) if isinstance(block, str) else block}\n" for block in self.blocks)


def spaced(documents: Iterable[Document]) -> Document:
    """Several with an empty line between them."""
    blocks = [block for document in documents for block in ("", *document.blocks)]
    return Document(blocks[1:])


def escape_control(text: str) -> str:
    """The text with what would steer a terminal escaped: names come out of files that anybody may have written."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
