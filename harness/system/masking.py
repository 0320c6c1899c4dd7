"""Secrets in text that comes from outside: a variable, a flag, the last lines of a program that failed.

Such text goes into manifests and reports, which are passed on. What looks like a secret is `SECRET` there. Too much is
masked rather than too little, but never what tells a fault: `KeyError: 'conv1.w'` stays.
"""

import os
import re
from collections.abc import Mapping

MASK = "SECRET"
_SHORTEST = 8  # of a value in the environment that is looked for; a shorter one is also a word

_WORDS = r"token|secret|passw(?:or)?d|passphrase|credential|signature"
_NAME = rf"[\w.-]*(?:{_WORDS}|key)[\w.-]*"
_VALUE = r"\"[^\"\n]*\"|'[^'\n]*'|[^\s&;,'\"<>]+"
_START = r"(?<![\w./-])"  # not in a path: `/etc/passwd: Permission denied`
_SCHEME = r"(?:(?:basic|bearer|token|digest|negotiate)\s+)?"

# Each with the groups that stay.
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), stays)
    for pattern, stays in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", ""),
        (r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#'\"<>]*(?=@)", r"\1"),  # user and password of a URL
        (rf"(\bauthorization['\"]?\s*[:=]\s*['\"]?){_SCHEME}[^\s'\",;]+", r"\1"),
        (r"(\bbearer\s+)[\w.~+/=-]{8,}", r"\1"),
        (rf"((?<![\w.-]){_NAME}=)(?:{_VALUE})", r"\1"),
        (rf"([\"']{_NAME}[\"']\s*:\s*)(?:{_VALUE})", r"\1"),  # JSON
        (rf"({_START}(?:\w+[_-])?(?:password|passwd|passphrase)\s*:\s*)(?:{_VALUE})", r"\1"),
        (rf"({_START}[\w-]*[_-](?:{_WORDS}|key)\s*:\s+)(?:{_VALUE})", r"\1"),  # a header, such as X-Auth-Token
        (rf"((?<!\S)--{_NAME}\s+)(?!-)(?:{_VALUE})", r"\1"),
    )
)
# Known by how they begin: AWS, GitHub, GitLab, Hugging Face, npm, OpenAI, PyPI, Slack, JSON web tokens.
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|sk-[\w-]{20,}|pypi-[\w-]{30,}|xox[abeoprs]-[\w-]{10,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)"
)
_SECRET_NAME = re.compile(rf"(?:^|_)(?:{_WORDS}|key)s?$", re.IGNORECASE)


def mask_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with `SECRET` in the place of what looks like one. Masking twice changes nothing more.

    Looked for are user and password of a URL; the value of a key whose name speaks of a token, secret, password, key or
    credential; authorization headers; tokens of known services; and the values of such variables of the environment,
    wherever a program printed them.
    """
    for value in sorted(_secret_values(environment), key=len, reverse=True):
        text = text.replace(value, MASK)
    for pattern, stays in _PATTERNS:
        text = pattern.sub(rf"{stays}{MASK}", text)
    return _TOKENS.sub(MASK, text)


def _secret_values(environment: Mapping[str, str]) -> set[str]:
    named = {value for name, value in environment.items() if _SECRET_NAME.search(name)}
    return {value for value in named if len(value) >= _SHORTEST and not value.isdecimal() and MASK not in value}
