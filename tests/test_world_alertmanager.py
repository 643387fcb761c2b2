"""Sending alerts, and what becomes of it where a server answers in other ways than Alertmanager.

tests/test_alertmanager_really.py sends them to a real one.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from efsdiag.world.alertmanager import NotSent, send_alerts, why_not_a_url


class Server(ThreadingHTTPServer):
    """Answers as `answer` says, and keeps what it was sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.received, self.let_go = (200, {}, b""), [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.command, self.path, dict(self.headers), json.loads(body)))
        if self.server.answer is None:
            self.server.let_go.wait(20)
            return
        status, headers, text = self.server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.server.received.append((self.command, self.path, {}, None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        return


@pytest.fixture
def server():
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.let_go.set()
    made.shutdown()
    made.server_close()


def test_alerts_are_posted_below_the_path_of_the_url_with_the_user_of_the_url(server):
    url = server.url.replace("//", "//us%40er:pass%3Aword@") + "/am/"
    send_alerts(url, [{"labels": {"alertname": "x"}}])
    [(method, path, headers, body)] = server.received
    assert (method, path, body) == ("POST", "/am/api/v2/alerts", [{"labels": {"alertname": "x"}}])
    assert headers["Content-Type"] == "application/json"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"us@er:pass:word"


def test_a_bearer_token_signs_in_and_is_shown_nowhere(server):
    server.answer = (401, {}, b"unknown: hunter2")
    with pytest.raises(NotSent) as error:
        send_alerts(server.url, [], token="hunter2")
    assert server.received[0][2]["Authorization"] == "Bearer hunter2"
    assert "hunter2" not in str(error.value)


def test_a_redirect_is_an_error_and_is_not_followed(server):
    server.answer = (302, {"Location": f"{server.url}/elsewhere"}, b"")
    with pytest.raises(NotSent, match="answers 302"):
        send_alerts(server.url, [])
    assert [path for _, path, _, _ in server.received] == ["/api/v2/alerts"]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_an_answer_that_is_no_success_is_an_error_with_its_text_and_no_password(server, status):
    server.answer = (status, {}, b"because " + b"x" * 5000)
    with pytest.raises(NotSent) as error:
        send_alerts(server.url.replace("//", "//user:hunter2@"), [])
    said = str(error.value)
    assert f"answers {status} " in said
    assert "because" in said
    assert len(said) < 500
    assert "hunter2" not in said


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_the_time_out(server):
    server.answer = None
    with pytest.raises(NotSent, match=r"did not answer within 0\.2 s"):
        send_alerts(server.url, [], timeout_s=0.2)


def test_a_server_that_does_not_listen_is_an_error_without_a_password(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(NotSent, match=r"cannot be reached: .*refused") as error:
        send_alerts(server.url.replace("//", "//user:hunter2@"), [])
    assert "hunter2" not in str(error.value)


def test_a_server_that_speaks_no_http_is_an_error(server):
    server.answer = None
    server.let_go.set()  # closes the connection without an answer
    with pytest.raises(NotSent, match="cannot be reached"):
        send_alerts(server.url, [])


@pytest.mark.parametrize("url", ["http://am:9093", "https://am", "http://u:p@am/path/", "http://[::1]:9093"])
def test_a_url_of_http_is_taken(url):
    assert why_not_a_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "am:9093",
        "file:///etc/passwd",
        "ftp://am",
        "http://",
        "http://:9093",
        "http://am:x",
        "http://am/?a=b",
        "http://[x",
    ],
)
def test_another_url_is_refused(url):
    assert why_not_a_url(url)
