"""What secrets look like in one line of text: by the name before them, by where they stand, by their own form.

A text of the cluster may be made to be slow to search. So what repeats is possessive or bounded.
"""

from __future__ import annotations

import re

_NAMES = "|".join(
    f"(?<=[{first}{first.upper()}])(?i:{rest})"
    for first, rest in {
        "a": "uth(?:orization)?|ccess[ ]key(?:[ ]id)?|pi[ ]key|ccount_?key",
        "c": "red(?:ential)?|ookie|onnection_?string",
        "d": "sn",
        "j": "wt",
        "k": "ey",
        "p": "ass(?:w(?:or)?d|wort|phrase|code)?|wd|rivate[ ]key",
        "s": "ecret(?:[ ]access[ ]key)?|ig(?:nature)?",
        "t": "oken",
        "u": "serdata",
    }.items()
)
"""What the names of secrets have in them. The letters that it can begin with are a set: that is quick to look for."""
VALUE = re.compile(
    r'"(?:[^"\\]|\\.)*+"|\'(?:[^\'\\]|\\.)*+\'|(?P<quote>\\+["\']).*?(?P=quote)'
    r"|(?:[^\s,;&\"'<>()\[\]{}|\\]|\\(?![nrt\"'\\]))++"
)
"""What stands behind a name: quoted, quoted inside a quotation, or up to what ends a word."""

HINTS = (
    "key", "pass", "token", "secret", "auth", "://", "cred", "sig", "pwd", "@", "jwt", "cookie", "dsn", "connection",
    "userdata", "basic", "bearer", "-----", "eyj", "asia", "akia", "abia", "acca", "ghp_", "gho_", "ghu_", "ghs_",
    "ghr_", "github_pat", "glpat-", "xox", "hvs.", "glsa_", "glc_", "aiza", "k_live_", "dckr_pat", "npm_", " -p",
    " -u", " -a", " -w", "hooks.slack",
)  # fmt: skip
"""In a text in lower case. Where none of it stands, nothing of what follows is found."""

NAMED = re.compile(
    rf"""(?P<name>[aAcCdDjJkKpPsStTuU](?:{_NAMES})[\w.\-]{{0,80}}+)
    (?P<sep>(?:\\{{0,9}}["'])?\]?[ \t]{{0,20}}+(?::=|=>|[:=]|is(?=[ \t]))[ \t]*+)
    (?P<way>(?i:bearer|basic|digest|token|apikey|negotiate|aws4-hmac-sha256)[ \t]++)?""",
    re.VERBOSE,
)
"""A name that a value stands behind. It has to be looked at, from its beginning."""

FLAG = re.compile(r"(?<![\w-])(?P<name>--?[\w-]++)(?P<sep>[ \t]++)(?!-)")
"""A flag that something stands behind."""

LETTER = re.compile(r"(?<![\w-])(?P<name>-[puawPU])(?P<sep>[ \t]*+)(?![-=])")
"""A flag of one letter that something stands behind, maybe in the same word."""

FORMS = (
    (
        "://",
        r"(?<=://)(?:[^\s/?#\"'<>]{1,300}|[^\s:/?#\"'<>@]{0,300}:(?!\d{1,5}[/?#])[^\s\"'<>]{1,300})(?=@)",
    ),
    (
        "@",
        r"(?<![\w/])[\w.-]{1,80}+:[^\s@\"'/<>]{1,200}+(?=@\w*\()",
    ),  # root:secret@tcp(db:3306)/x, as Go's MySQL driver has it
    ("eyj", r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    ("", r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("a", r"(?i:(?<=\bbearer )|(?<=\bbasic ))[\w.~+/=:-]{6,}"),
    (
        "_",
        r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:sa|c)_\w{20,}|[sr]k_live_\w{16,}|dckr_pat_[\w-]{20,}|npm_\w{30,})",
    ),
    ("-", r"\b(?:glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,})"),
    ("hvs.", r"\bhvs\.[\w-]{20,}"),
    ("aiza", r"\bAIza[\w-]{35}"),
    ("cookie:", r"(?i:(?<=cookie: )|(?<=cookie:))[^\s\"'][^\"'\r\n]*"),
    ("hooks.slack", r"(?<=hooks\.slack\.com/)services/[\w/]+"),
)
"""Secrets that are known by their own form, or by that of what they stand in. The text before it is in the line."""

AT_START = re.compile(
    r"[ \t]*(?:-[ \t]+|export[ \t]+)?[\"']?(?P<name>[\w.-]+)[\"']?(?P<sep>[ \t]*:[ \t]+|[ \t]+=[ \t]+)(?P<rest>\S.*)"
)
"""A line of YAML or of an ini file: the value goes on to its end."""
BLOCK = re.compile(r"[ \t]*(?:-[ \t]+)?[\"']?(?P<name>[\w.-]+)[\"']?[ \t]*:[ \t]+[|>][-+0-9]*[ \t]*\r?\n?\Z")
"""A line of YAML whose value is in the lines below that are indented further."""

PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----.*?(?:-----END (?P=what)-----|\Z)"
    # A log's last lines may begin in the middle of one.
    r"|\A(?:[A-Za-z0-9+/=]+\r?\n)++-----END [A-Z0-9 ]+-----",
    re.DOTALL,
)
RANDOM = re.compile(r"(?<![A-Za-z0-9/+=_.:%-])[A-Za-z0-9+][A-Za-z0-9/+]{39}(?![A-Za-z0-9/+=_.:%-])")
"""As long as a secret access key of AWS, and of its letters."""
