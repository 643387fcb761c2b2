"""What is imported when: help must come at once, and a bundle needs neither AWS's nor Kubernetes' client."""

import subprocess
import sys

import pytest
from conftest import FIXTURES, ROOT, Situation

HEAVY = ("boto3", "botocore", "kubernetes", "networkx", "yaml", "rich")

_ASK = """
import sys
from efsdiag.cli import main
main({arguments!r})
print("LOADED", *[name for name in {names!r} if name in sys.modules], file=sys.stderr)
"""


def loaded_by(arguments):
    """The heavy packages that are imported once the command has run."""
    code = _ASK.format(arguments=arguments, names=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stderr.partition("LOADED")[2].split()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["why", "--help"],
        ["explain", "--help"],
        ["graph", "--help"],
        ["man"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_help_and_version_import_nothing_heavy(arguments):
    assert loaded_by(arguments) == []


def test_a_usage_error_imports_nothing_heavy():
    assert loaded_by(["why", "--no-such-option", "-o", "json"]) == []


@pytest.mark.parametrize("form", ["json", "yaml", "terminal"])
def test_a_bundle_imports_neither_of_the_clients(form):
    loaded = loaded_by(Situation(FIXTURES / "recorded-parent-dir").asked("-o", form))
    assert "networkx" in loaded
    assert not set(loaded) & {"boto3", "botocore", "kubernetes"}


def test_rich_is_imported_for_colours_alone():
    asked = Situation(FIXTURES / "recorded-parent-dir").asked
    assert "rich" not in loaded_by(asked("--color", "never"))
    assert "rich" in loaded_by(asked("--color", "always"))


def test_explain_needs_no_graph():
    assert "networkx" not in loaded_by(["explain", "permission.parent-not-searchable"])
