"""What is taken for a secret, what is not, and that nothing else is touched."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from conftest import FIXTURES
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.catalogue import load_modes
from efsdiag.redaction import MARK, is_redacted, redacted, redacted_text
from efsdiag.redaction.names import is_secret_name

SECRETS = [
    # By the name before it.
    ("password=hunter2", "password=<redacted>"),
    ("export DB_PASSWORD='a b'; run", "export DB_PASSWORD='<redacted>'; run"),
    ('level=info msg="login" api_key=abc123 user=bob', 'level=info msg="login" api_key=<redacted> user=bob'),
    ("Server=db;Password=y1;Database=z", "Server=db;Password=<redacted>;Database=z"),
    ("ro,username=u,password=x1,nolock", "ro,username=u,password=<redacted>,nolock"),
    ('{"password":"x y","a":1} trailing', '{"password":"<redacted>","a":1} trailing'),
    (r'body="{\"token\":\"abc\",\"b\":1}"', r'body="{\"token\":\"<redacted>\",\"b\":1}"'),
    ("aws_secret_access_key = abc/def1", "aws_secret_access_key = <redacted>"),
    ("your Secret access key: abc1, and more", "your Secret access key: <redacted>, and more"),
    ("the login failed, password: hunter", "the login failed, password: <redacted>"),
    ("AccountName=x;AccountKey=abc==;Suffix=y", "AccountName=x;AccountKey=<redacted>;Suffix=y"),
    ("client-key-data: TFMwdExTM", "client-key-data: <redacted>"),
    ("token_file=/a password=b", "token_file=/a password=<redacted>"),
    # A line of YAML or of an ini file.
    ("password: my secret phrase\nuser: bob", "password: <redacted>\nuser: bob"),
    ("a:\n  token: |\n    abc\n    def\n  b: 1\n", "a:\n  token: |\n    <redacted>\n    <redacted>\n  b: 1\n"),
    (
        "- name: DB_PASSWORD\n  value: a b\n- name: X\n  value: y\n",
        "- name: DB_PASSWORD\n  value: <redacted>\n- name: X\n  value: y\n",
    ),
    ("- name: A_TOKEN\n  value: |\n    abc\n- name: X\n", "- name: A_TOKEN\n  value: |\n    <redacted>\n- name: X\n"),
    ("password:\n  value: 'ab'\n  x: y\n", "password:\n  value: '<redacted>'\n  x: y\n"),
    ("a:\n  tokens:\n  - ab\n  - cd\n  b: e\n", "a:\n  tokens:\n  - <redacted>\n  - <redacted>\n  b: e\n"),
    ("DB_PASSWORD=a,b;c&d|e\nX=1", "DB_PASSWORD=<redacted>\nX=1"),
    ("port 6379\nrequirepass foobared\nmaxmemory 1g\n", "port 6379\nrequirepass <redacted>\nmaxmemory 1g\n"),
    ("machine h login me password ab1", "machine h login me password <redacted>"),
    # In one object, on one line.
    ('a {"name":"DB_PASSWORD","value":"x y"} b', 'a {"name":"DB_PASSWORD","value":"<redacted>"} b'),
    (r'"{\"name\":\"A_TOKEN\",\"value\":\"x\"}"', r'"{\"name\":\"A_TOKEN\",\"value\":\"<redacted>\"}"'),
    ("env: {name: A_TOKEN, value: x1}, c", "env: {name: A_TOKEN, value: <redacted>}, c"),
    ("<password>x y</password><user>z</user>", "<password><redacted></password><user>z</user>"),
    ('<property name="db.password">xy</property>', '<property name="db.password"><redacted></property>'),
    ('<property name="db.password" value="xy"/>', '<property name="db.password" value="<redacted>"/>'),
    # Cut off.
    ('cut: {"user":"a","password":"abc d', 'cut: {"user":"a","password":"<redacted>"'),
    # Flags.
    ("curl --user me:pass1 http://a/b", "curl --user <redacted> http://a/b"),
    ("curl -ume:pass1 http://a/b", "curl -u<redacted> http://a/b"),
    ("run --token abcDEF9 --verbose", "run --token <redacted> --verbose"),
    ("mysql -psecret1 -h db", "mysql -p<redacted> -h db"),
    ("redis-cli -a s3cret ping", "redis-cli -a <redacted> ping"),
    ("sh -c 'curl -u user:pass1 http://a/b'", "sh -c 'curl -u <redacted> http://a/b'"),
    # Headers and addresses.
    ("> Authorization: Bearer abcdefgh12", "> Authorization: Bearer <redacted>"),
    ("> authorization: Basic dXNlcjpwYXNz", "> authorization: Basic <redacted>"),
    ("< Set-Cookie: a=b; Path=/; c=d", "< Set-Cookie: <redacted>"),
    ("got Bearer abc.def-ghi back", "got Bearer <redacted> back"),
    ("https://u:p@host/x?X-Amz-Signature=ab&b=1", "https://<redacted>@host/x?X-Amz-Signature=<redacted>&b=1"),
    ("GET /x?a=1&token=zz HTTP/1.1", "GET /x?a=1&token=<redacted> HTTP/1.1"),
    ("postgres://u:p/w@h:5/db", "postgres://<redacted>@h:5/db"),
    ("mongodb://u:p@ss@h/db", "mongodb://<redacted>@h/db"),
    ("root:pw1@(db:3306)/mysql", "<redacted>@(db:3306)/mysql"),
    # By its own form.
    ("id AKIAIOSFODNN7EXAMPLE used", "id <redacted> used"),
    ("k wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1 k", "k <redacted> k"),
    ("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln y", "x <redacted> y"),
    ("push with ghp_" + "a1" * 18, "push with <redacted>"),
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb", "a\n<redacted>\nb"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE\nwas cut off", "<redacted>"),
    ("MIIEowIBAAKCAQEA1234567890abcdef\n-----END PRIVATE KEY-----\nb", "<redacted>\nb"),
]
PLAIN = [
    "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found",
    "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.example",
    'MountVolume.SetUp failed for volume "v" : secret "x" not found',
    "couldn't find key a in Secret monitoring/b",
    "Access denied for user 'x'@'10.0.0.1' (using password: YES)",
    "docker-pullable://prom/prometheus@sha256:0123456789abcdef",
    "--storage.tsdb.path=/prometheus/server",
    "--config.file=/etc/config/prometheus.yml",
    "mkdir -p /data/prometheus && chown -R 65534:65534 /data",
    "docker run -u 1000:1000 -p 9090:9090 prom/prometheus",
    "http://prometheus.monitoring.svc:9090/metrics",
    "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "password=$(DB_PASSWORD) token=${TOKEN}",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-a1b2c3",
    "eks-auth:AssumeRoleForPodIdentity",
    "fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/",
    "/var/lib/kubelet/pods/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/volumes/kubernetes.io~csi/pvc/mount",
    "0123456789abcdef0123456789abcdef01234567",
    "the password is wrong",
    "token expired",
    "token /var/run/secrets/token",
    "- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {name: db, key: password}}\n- name: X\n  value: y\n",
    "tls:\n  secret:\n    secretName: web\n    items:\n    - key: token\n      path: t\n",
    "chown --user me:group1",
    "Error: invalid token:\n  at line 3\n",
    "author: Bob, monkey=1, keyboard: us",
    "topology key: topology.kubernetes.io/zone",
]


@pytest.mark.parametrize(("text", "wanted"), SECRETS)
def test_a_secret_in_a_text_becomes_the_mark_and_the_rest_stays(text: str, wanted: str) -> None:
    assert redacted_text(text) == wanted
    assert redacted_text(wanted) == wanted


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_a_secret_is_returned_as_it_is(text: str) -> None:
    assert redacted_text(text) is text


SECRET_NAMES = """
    DB_PASSWORD password dbpassword api-token clientSecret AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID PASSWORD_PROD
    apiKey private_key authorization .dockerconfigjson --requirepass secret_id UserData GF_SECURITY_ADMIN_PASSWORD
    SESSION_COOKIE DATABASE_CONNECTION_STRING client-key-data
"""
OTHER_NAMES = """
    secretName imagePullSecrets secretKeyRef TOKEN_FILE AWS_WEB_IDENTITY_TOKEN_FILE tokenExpirationSeconds HttpTokens
    ClientToken CreationToken KmsKeyId KeyName key topologyKey secret-namespace ExpiredToken author bypass
    csi.storage.k8s.io/provisioner-secret-name automountServiceAccountToken AWS_CONTAINER_CREDENTIALS_FULL_URI
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_the_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_a_name_that_is_about_a_secret_is_none_of_one(name: str) -> None:
    assert not is_secret_name(name)


OBJECTS: list[tuple[Any, Any]] = [
    ({"name": "DB_PASSWORD", "value": "x"}, {"name": "DB_PASSWORD", "value": MARK}),
    ({"password": {"value": "x", "from": "y"}}, {"password": {"value": MARK, "from": "y"}}),
    ({"password": {"valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}}, None),
    ({"command": ["curl"], "args": ["--user", "me:p1"]}, {"command": ["curl"], "args": ["--user", MARK]}),
    ({"args": ["--user", "me:group1"]}, None),
    ({"Key": "admin-password", "Value": "x"}, {"Key": "admin-password", "Value": MARK}),
    ({"args": ["--token", "abc", "x"]}, {"args": ["--token", MARK, "x"]}),
    ({"args": ["--auth.password=a,b&c d"]}, {"args": [f"--auth.password={MARK}"]}),
    ({"command": ["mysqld"], "args": ["-p", "abc"]}, {"command": ["mysqld"], "args": ["-p", MARK]}),
    ({"args": ["-p", "9090", "-p", "/data"]}, None),
    ({"command": ["mkdir"], "args": ["-p", "data"]}, None),
    ({"image": "redis:7", "args": ["--requirepass", "abc"]}, {"image": "redis:7", "args": ["--requirepass", MARK]}),
    ({"command": ["sh", "-c", "export TOKEN=abc && run"]}, {"command": ["sh", "-c", f"export TOKEN={MARK} && run"]}),
    ({"data": {"password": "x", "prometheus.yml": "a: b\n"}}, {"data": {"password": MARK, "prometheus.yml": "a: b\n"}}),
    ({"data": {"c.yml": "basic_auth:\n  password: x\n"}}, {"data": {"c.yml": f"basic_auth:\n  password: {MARK}\n"}}),
    ({"binaryData": {"a": "AAAA"}}, {"binaryData": {"a": MARK}}),
    ({"mountOptions": ["tls", "password=abc"]}, {"mountOptions": ["tls", f"password={MARK}"]}),
    ({"UserData": "IyEvYmlu"}, {"UserData": MARK}),
    ({"tokens": ["a", "b"]}, {"tokens": [MARK, MARK]}),
    ({"password": 1234}, {"password": MARK}),
    ({"labels": {"token": "abc"}, "matchLabels": {"secret": "x"}, "nodeSelector": {"auth": "y"}}, None),
    ({"MetadataOptions": {"HttpTokens": "required"}, "KmsKeyId": "arn:aws:kms:x:1:key/0"}, None),
    ({"valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}, None),
    ({"volumes": [{"name": "s", "secret": {"secretName": "db", "defaultMode": 420}}]}, None),
    ({"automountServiceAccountToken": True, "token": None}, None),
    ({"Statement": [{"Action": "eks-auth:x", "Condition": {"StringEquals": {"a.token:sub": "b"}}}]}, None),
]


@pytest.mark.parametrize(("value", "wanted"), OBJECTS)
def test_a_secret_in_an_object_becomes_the_mark_and_the_rest_stays(value: Any, wanted: Any) -> None:
    before = json.dumps(value)
    assert redacted(value) == (value if wanted is None else wanted)
    assert (redacted(value) is value) == (wanted is None)
    assert redacted(redacted(value)) == redacted(value)
    assert json.dumps(value) == before, "what is shared must not be changed"


def test_what_kubectl_applied_last_is_looked_through_as_an_object() -> None:
    applied = json.dumps({"env": [{"name": "TOKEN", "value": "abc"}], "args": ["--password", "def"]}) + "\n"
    made = redacted({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}})
    text = made["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(text) == {"env": [{"name": "TOKEN", "value": MARK}], "args": ["--password", MARK]}
    assert text.endswith("\n")


def test_a_value_with_the_mark_is_told_from_one_without() -> None:
    assert is_redacted({"a": [f"--password={MARK}"]})
    assert not is_redacted({"a": ["--password=x", 1, None]})


def test_no_sign_of_the_catalogue_is_touched() -> None:
    texts = [sign["text"] for mode in load_modes().values() for sign in mode.signs if sign.get("text")]
    assert len(texts) > 300
    assert [text for text in texts if redacted_text(text) != text] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.sampled_from([s for s, _ in SECRETS] + PLAIN),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "token", "args", "env"]), inner),
    max_leaves=12,
)


@given(JSON)
def test_redacting_twice_is_redacting_once_and_the_shape_stays(value: Any) -> None:
    made = redacted(value)
    assert redacted(made) == made
    assert _shape(made) == _shape(value)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(held) for name, held in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else None


def test_of_the_fixtures_nothing_is_touched_at_all() -> None:
    """No secret is in them. What would be taken for one is a mistake."""
    files = [file for file in FIXTURES.rglob("*") if file.suffix in (".json", ".log")]
    files = [file for file in files if file.is_file() and file.name != "expect.json"]
    assert len(files) > 300
    for file in files:
        text = file.read_text(encoding="utf-8")
        value = json.loads(text) if file.suffix == ".json" else text
        assert redacted(value) is value, file


SLOW = {
    "quotes": 'token="',
    "escaped quotes": 'token=\\\\"a\\\\\\\\"',
    "addresses": "://a:",
    "names": "key",
    "flags": "--a",
    "letters": " mysql -p a;",
    "lines like keys": f"{'A' * 64}\n-----END",
    "blocks": "password: |\n",
    "ARNs": "arn:aws:secret:",
    "sources": "a.b-c:",
    "pairs": "password=a ",
    "names and values": "name=pass,value=",
    "elements": "<pass>",
    "open elements": "<password ",
    "logins": "login a password ",
    "quotes that are open": "password='a ",
    "lists": "password:\n- a\n",
    "words alone": "password 1\n",
}


@pytest.mark.parametrize("part", SLOW.values(), ids=SLOW)
def test_a_text_made_to_be_slow_costs_in_proportion_to_its_length(part: str) -> None:
    """Eight times the text: a search that is quadratic would take 64 times as long."""

    def cost(length: int) -> float:
        text = part * (length // len(part))
        started = time.process_time()
        redacted_text(text)
        return time.process_time() - started

    few, many = (min(cost(length) for _ in range(3)) for length in (20_000, 160_000))
    assert many < 25 * few + 0.02
