#!/usr/bin/env python3
"""Which GPU rows of a night can run: those whose label an online self-hosted runner has; why not, of the others.

A job for which no runner is there would wait for a day. Prints two lines for GITHUB_OUTPUT, `present` and `absent`.
Environment: GITHUB_REPOSITORY; GH_TOKEN, which may list runners, and may be empty.
"""

import json
import os
import subprocess
from typing import Any

BACKENDS = ("cuda", "rocm")  # each is the label of its runners as well


def main() -> None:
    """Ask, and print both lists as JSON."""
    labels, trouble = _online_labels()
    present, absent = [], []
    for backend in BACKENDS:
        if any({"self-hosted", backend} <= one for one in labels):
            present.append(backend)
        else:
            reason = trouble or f"no self-hosted runner with label {backend} is online"
            absent.append({"backend": backend, "reason": reason})
    print(f"present={json.dumps(present)}")
    print(f"absent={json.dumps(absent)}")


def _online_labels() -> tuple[list[set[str]], str]:
    """The labels of every runner that is online, of the repository and of its owner; why nobody can tell."""
    if not os.environ.get("GH_TOKEN"):
        return [], "the secret RUNNERS_TOKEN is not set, so it is not known which runners are online"
    repository = os.environ["GITHUB_REPOSITORY"]
    answers = [_runners(place) for place in (f"repos/{repository}", f"orgs/{repository.partition('/')[0]}")]
    if all(answer is None for answer in answers):
        return [], "the runners cannot be listed: RUNNERS_TOKEN may have expired or lack a permission"
    online = [runner for answer in answers for runner in answer or [] if runner["status"] == "online"]
    return [{label["name"].lower() for label in runner["labels"]} for runner in online], ""


def _runners(place: str) -> list[dict[str, Any]] | None:
    done = subprocess.run(
        ["gh", "api", f"{place}/actions/runners?per_page=100"], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        return None
    runners: list[dict[str, Any]] = json.loads(done.stdout)["runners"]
    return runners


if __name__ == "__main__":
    main()
