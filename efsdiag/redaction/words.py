"""Secrets among the words of a command: what the flags of one letter mean, and values in a word of their own."""

from __future__ import annotations

import re

from efsdiag.redaction.names import one_of

_PROGRAMS = {
    "-a": frozenset(("redis-cli",)),
    "-w": one_of("ldapsearch ldapadd ldapmodify ldapwhoami"),
    "-P": one_of("sqlcmd isql bcp snowsql"),
    "-U": one_of("smbclient rpcclient"),
}
_GLUED = one_of("mysql mysqldump mysqladmin mariadb sshpass 7z")
"""Programs that take a password without a blank before it: -psecret."""
LOGINS = frozenset(("--user", "--proxy-user"))
"""Flags of curl that a user with a password stands behind."""
_NO_PASSWORD = one_of(
    "mkdir cp mv install tar rsync ssh scp sftp nc netstat ss ps lsof test read kill find perl python grep touch psql "
    "ls id which command unshare nsenter patch screen tmux gzip less time ping telnet nmap stat df getent"
)
"""Programs whose -p is something else."""
_PLAIN = re.compile(r"[/.~$].*|\d+([:/-]\w+)*|\w+/(tcp|udp)")
"""A path, a port or a mapping of ports."""
_LOGIN = re.compile(r"[^\s:/]+:(?!//)\S*[^\d\s:]\S*")
"""user:password; 1000:1000 is a user with its group."""


def is_secret_of(program: str, letter: str, value: str, *, glued: bool = False) -> bool:
    """Whether the word after -p, -u, -a, -w, -P or -U is a password, as far as the program tells."""
    name = program.rpartition("/")[2]
    if glued and not takes_glued(program, letter):
        return False
    if letter in LOGINS:
        return name == "curl" and bool(_LOGIN.fullmatch(value))
    if letter == "-u":
        return bool(_LOGIN.fullmatch(value))
    if letter == "-U":
        return (name in _PROGRAMS["-U"] and "%" in value) or (name == "curl" and bool(_LOGIN.fullmatch(value)))
    if letter == "-p":
        return name not in _NO_PASSWORD and not _PLAIN.fullmatch(value)
    return name in _PROGRAMS.get(letter, ())


def takes_glued(program: str, letter: str) -> bool:
    """Whether the program takes a password in the word of that flag."""
    name = program.rpartition("/")[2]
    return name in _GLUED or (name == "curl" and letter in ("-u", "-U"))
