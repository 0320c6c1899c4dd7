"""Files and folders on a command line, looked at before the work begins and not when its results are written."""

import os
from pathlib import Path
from typing import Any

import click


class FilePath(click.Path):
    """A regular file, or one that is not there yet: a pipe may never end, a device never does, and neither keeps."""

    def __init__(self, exists: bool = False) -> None:
        super().__init__(dir_okay=False, exists=exists, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not path.is_file():
            self.fail(f"{str(value)!r} is not a regular file.", param, ctx)
        return path


class FolderPath(click.Path):
    """A folder, or one that is not there yet."""

    def __init__(self, exists: bool = False) -> None:
        super().__init__(file_okay=False, exists=exists, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not path.is_dir():
            self.fail(f"{str(value)!r} is not a folder.", param, ctx)
        return path
