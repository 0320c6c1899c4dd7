#!/usr/bin/env python3
"""Waits for the rows of a night that run elsewhere, but for none longer than it makes sense.

A row that runs is waited for, since its own time limit ends it. A row that no runner has taken QUEUE_MINUTES after it
was queued is given up: its runner went away after it had been seen. Prints two lines for GITHUB_OUTPUT: `abandoned`,
the rows that were given up, and `skipped`, a sentence about all that did not run.

Environment: GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT; GH_TOKEN, which may read actions; PRESENT and ABSENT,
as ci/rows.py printed them; QUEUE_MINUTES; POLL_SECONDS, 30 by default.
"""

import datetime
import json
import os
import subprocess
import sys
import time
from typing import Any

PREFIX = "night on "  # of the jobs' names


def main() -> None:
    """Wait, tell on standard error what for, and print what did not run."""
    rows = set(_listed("PRESENT"))
    patience = datetime.timedelta(minutes=float(os.environ["QUEUE_MINUTES"]))
    while True:
        running, queued = _unfinished(rows)
        now = datetime.datetime.now(datetime.UTC)
        hopeful = [row for row, since in queued.items() if now - since < patience]
        if not running and not hopeful:
            break
        print(f"waiting for {', '.join(sorted([*running, *hopeful]))}", file=sys.stderr, flush=True)
        time.sleep(float(os.environ.get("POLL_SECONDS", "30")))
    skipped = [f"{row['backend']} ({row['reason']})" for row in _listed("ABSENT")]
    skipped += [f"{row} (no runner took it)" for row in sorted(queued)]
    print(f"abandoned={' '.join(sorted(queued))}")
    print(f"skipped={', '.join(skipped) or 'nothing'}")


def _listed(variable: str) -> list[Any]:
    found: list[Any] = json.loads(os.environ.get(variable) or "[]")
    return found


def _unfinished(rows: set[str]) -> tuple[list[str], dict[str, datetime.datetime]]:
    """Of these rows the ones that run, and since when the others have been waiting for a runner."""
    running, queued = [], {}
    for job in _jobs() if rows else []:
        row = job["name"].removeprefix(PREFIX)
        if not job["name"].startswith(PREFIX) or row not in rows or job["status"] == "completed":
            continue
        if job["status"] == "in_progress":
            running.append(row)
        else:
            queued[row] = datetime.datetime.fromisoformat(job["created_at"])
    return running, queued


def _jobs() -> list[dict[str, Any]]:
    run = "repos/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}".format(**os.environ)
    command = ["gh", "api", f"{run}/jobs?per_page=100"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    jobs: list[dict[str, Any]] = json.loads(done.stdout)["jobs"]
    return jobs


if __name__ == "__main__":
    main()
