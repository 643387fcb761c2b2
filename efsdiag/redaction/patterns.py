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
        "s": "ecret(?:[ ]access[ ]key)?|ig(?:nature)?|ess(?:ion_?)?id",
        "t": "oken",
        "u": "serdata",
    }.items()
)
"""What the names of secrets have in them. The letters that it can begin with are a set: that is quick to look for."""
VALUE = re.compile(
    r'"(?:[^"\\]|\\.)*+"|\'(?:[^\'\\]|\\.)*+\'|(?P<quote>\\+["\']).*?(?P=quote)'
    r"|(?:[^\s,;&\"'<>()\[\]{}|\\]|\\(?![nrt\"'\\]))++"
    r"|\\*+[\"'][^\r\n]++(?=[\r\n]*\Z)"
)
"""What stands behind a name: quoted, quoted inside a quotation, up to what ends a word, or cut off in its quotes."""

HINTS = (
    "key", "pass", "token", "secret", "auth", "://", "cred", "sig", "pwd", "@", "jwt", "cookie", "dsn", "connection",
    "userdata", "sessionid", "session_id", "sessid", "basic", "bearer", "-----", "eyj", "asia", "akia", "abia", "acca",
    "ghp_", "gho_", "ghu_", "ghs_", "-user ", "ghr_", "github_pat", "glpat-", "xox", "hvs.", "glsa_", "glc_", "aiza",
    "k_live_", "dckr_pat", "npm_", " -p", " -u", " -a", " -w", "hooks.slack",
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

PAIR = re.compile(
    r"(?<![\w-])(?:[nN]ame|[kK]ey)\\{0,9}[\"']?[ \t]{0,9}[:=][ \t]{0,9}\\{0,9}[\"']?"
    r"(?P<name>[\w.-]{1,80}+)\\{0,9}[\"']?"
    r"[ \t,]{1,9}+\\{0,9}[\"']?[vV]alue\\{0,9}[\"']?[ \t]{0,9}[:=][ \t]{0,9}"
)
"""A name and its value as two members of one object, on one line: of JSON, of YAML or of XML."""

NETRC = re.compile(r"\blogin[ \t]++\S++[ \t]++(?P<name>password)[ \t]++")
"""A user and a password as in a .netrc."""

TAGGED = re.compile(r"<(?P<name>[\w.:-]{1,80}+)(?P<more>[^<>]{0,200}+>)(?P<value>[^<>]{1,500}+)(?=</)")
ATTRIBUTE = re.compile(r"\bname=[\"']([\w.-]+)")
"""An element of XML with a text in it, and the attribute that may say what the text is."""

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

ALONE = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)(?P<sep>=|[ \t]+)(?P<rest>[^\s\"'=:<>(\[{]\S*+)[ \t]*\r?\n?\Z"
)
"""A line that is a name and one word: of a file of variables, or a directive as redis.conf has them."""
OPENS = re.compile(r"[ \t]*(?:-[ \t]+)?[\"']?(?P<name>[\w.-]+)[\"']?[ \t]*:[ \t]*\r?\n?\Z")
"""A line of YAML whose value is a list or a mapping in the lines below."""
INNER = re.compile(r"[ \t]*(?:-[ \t]+(?!\S+:(?:\s|\Z))|(?:-[ \t]+)?(?P<name>[\w.-]+):[ \t]+)(?P<rest>\S.*)")
"""A line of such a list, or of such a mapping."""
NAME_OF = re.compile(
    r"(?P<indent>[ \t]*(?:-[ \t]+)?)[\"']?(?:[nN]ame|[kK]ey)[\"']?[ \t]*:[ \t]+[\"']?(?P<name>[\w.-]+)[\"']?\s*\Z"
)
VALUE_OF = re.compile(r"(?P<indent>[ \t]*)[\"']?[vV]alue[\"']?[ \t]*:[ \t]+(?P<rest>\S.*)")
"""Two lines of YAML, one below the other: a name and its value."""

PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]+)-----.*?(?:-----END (?P=what)-----|\Z)"
    # A log's last lines may begin in the middle of one.
    r"|\A(?:[A-Za-z0-9+/=]+\r?\n)++-----END [A-Z0-9 ]+-----",
    re.DOTALL,
)
RANDOM = re.compile(r"(?<![A-Za-z0-9/+=_.:%-])[A-Za-z0-9+][A-Za-z0-9/+]{39}(?![A-Za-z0-9/+=_.:%-])")
"""As long as a secret access key of AWS, and of its letters."""
