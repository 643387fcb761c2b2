"""Secrets in what was read: what they look like, and text and objects without them.

Pure functions. A secret becomes MARK, wherever it stands and whatever it was: nothing can be worked out from that,
equal secrets stay equal, and the same evidence gives the same bytes. What has no secret in it comes back as it is.
"""

from efsdiag.redaction.mark import MARK
from efsdiag.redaction.text import redacted_text
from efsdiag.redaction.values import is_redacted, redacted

__all__ = ["MARK", "is_redacted", "redacted", "redacted_text"]
