"""Small git repositories, which no configuration of the user's has a say in."""

import os
import subprocess
from pathlib import Path

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def run_git(folder: Path, *words: str) -> str:
    """The output of a command of git in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT
    done = subprocess.run(["git", "-C", folder, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def new_repository(root: Path) -> Path:
    """An empty repository in a new folder."""
    root.mkdir(parents=True)
    run_git(root, "init", "-q", "-b", "main")
    return root


def commit(root: Path, tag: str, *paths: str) -> None:
    """Commit the paths, or everything, and call the commit by a tag."""
    run_git(root, "add", "-f", *(paths or ("-A",)))
    run_git(root, "commit", "-q", "--allow-empty", "-m", tag)
    run_git(root, "tag", tag)
