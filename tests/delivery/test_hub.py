"""A run on the hub: listed before it is sent, sent with a card, fetched whole or not at all. The hub is a small server here."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import coloured

from coldframe import load_backbone
from coldframe.cli import main
from coldframe.cold import ColdPass, Store
from coldframe.delivery import hub
from coldframe.delivery.card import card, data_name
from coldframe.errors import ColdframeError, FileError, InputError
from coldframe.files import write_json
from coldframe.methods import load, method_class

TOKEN = "hf_ownertokenownertoken"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Shelf(ThreadingHTTPServer):
    """What of the hub's interface is used: make a repository, ask how files go, commit, read a file. It keeps all it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()


class Answers(BaseHTTPRequestHandler):
    server: Shelf

    def log_message(self, format: str, *words: Any) -> None:
        """Keep silent."""

    def _answer(self, value: Any = None, status: int = 200, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        body = body or json.dumps({} if value is None else value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _address(self, path: str) -> str:
        return f"http://{self.headers['Host']}/{path}"

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"POST {self.path}")
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "no"}, 401)
        elif self.path == "/api/repos/create":
            asked = json.loads(said)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self.server.private[name] = asked.get("private") is True or asked.get("visibility") == "private"
            self._answer({"url": self._address(name), "name": name})
        elif "/preupload/" in self.path:
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(said)["files"]]
            self._answer({"files": files})
        elif "/commit/" in self.path:
            name = "/".join(self.path.split("/")[3:5])
            for line in map(json.loads, said.splitlines()):
                if line["key"] == "file":
                    self.server.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": self._address(f"{name}/commit/{COMMIT}"), "commitOid": COMMIT, "success": True})
        else:
            self._answer({"valid": True})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        parts = self.path.split("?")[0].strip("/").split("/")
        found = self.server.repositories.get("/".join(parts[:2]))
        if found is None:
            self._answer({}, 404, {"X-Error-Code": "RepoNotFound"})
        elif parts[-1] not in found:
            self._answer({}, 404, {"X-Error-Code": "EntryNotFound"})
        else:
            content = found[parts[-1]]
            self._answer(headers={"ETag": f'"{len(content)}-{parts[-1]}"', "X-Repo-Commit": COMMIT}, body=content)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    server = Shelf()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "probe"
    backbone, cold = load_backbone("timm:test_resnet/random"), ColdPass(Store(tmp_path_factory.mktemp("store")))
    method_class("linear-probe")(backbone, l2=1e-4).fit(coloured(12, 0, "train"), coloured(6, 1, "val"), cold=cold).save(folder)
    data = "folder:" + "/".join(["", "secret", "place", "flowers"])
    row = {"method": "linear-probe", "data": data, "split": "test", "seed": 3,
           "n": 50, "top1": 0.9, "mean_per_class": 0.88, "ece": 0.04}  # fmt: skip
    write_json(folder / "result.json", {"row": row, "choices": {}, "history": []})
    (folder / "private.txt").write_text("not for others")
    return folder


def coldframe(*words: str | Path, server: Shelf, home: Path, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run the command line with the small server as its hub."""
    address = f"http://127.0.0.1:{server.server_address[1]}"
    env = {**os.environ, "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    env.pop("HF_TOKEN", None)
    if token:
        env["HF_TOKEN"] = token
    command = [sys.executable, "-m", "coldframe", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)


def test_push_and_pull_through_a_server(run: Path, shelf: Shelf, tmp_path: Path) -> None:
    asked = coldframe("push", run, "me/flowers", server=shelf, home=tmp_path)
    assert asked.returncode == 0 and "nothing was sent; to send these 3 files to me/flowers, add --yes" in asked.stdout
    assert "adaptation.safetensors" in asked.stdout and "# linear-probe on timm:test_resnet/random" in asked.stdout
    assert shelf.asked == []  # not a word to anyone
    stranger = coldframe("push", run, "me/flowers", "--yes", server=shelf, home=tmp_path, token=None)
    assert stranger.returncode == 2 and "expected a token of the hub, found none" in stranger.stderr
    assert shelf.asked == []
    sent = coldframe("push", run, "me/flowers", "--yes", server=shelf, home=tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert shelf.private == {"me/flowers": True} and shelf.tokens == {f"Bearer {TOKEN}"}
    assert shelf.repositories["me/flowers"] == hub.parcel(run, "me/flowers")
    assert shelf.repositories["me/flowers"].keys() == {"README.md", "adaptation.json", "adaptation.safetensors"}
    fetched = coldframe("pull", "me/flowers", "--out", tmp_path / "theirs", server=shelf, home=tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    same(run, tmp_path / "theirs")
    shelf.repositories["me/flowers"]["adaptation.safetensors"] = b"damage"
    broken = coldframe("pull", "me/flowers", "--out", tmp_path / "broken", server=shelf, home=tmp_path / "other")
    assert broken.returncode == 2 and "expected a safetensors file, found damage" in broken.stderr
    assert not list(tmp_path.glob("*broken*"))


def same(a: Path, b: Path) -> None:
    first, second = load(a), load(b)
    assert first.classes == second.classes and first.config() == second.config()
    for name, value in first.state().items():
        assert torch.equal(value, second.state()[name])


def test_refusals_of_a_server(run: Path, shelf: Shelf, tmp_path: Path) -> None:
    stranger = coldframe("push", run, "me/flowers", "--yes", server=shelf, home=tmp_path, token="hf_anothertoken")
    assert stranger.returncode == 2 and "cannot send to me/flowers: the hub refused the token (401)" in stranger.stderr
    none = coldframe("pull", "me/nothing", "--out", tmp_path / "out", server=shelf, home=tmp_path)
    assert none.returncode == 2 and "expected a repository that exists" in none.stderr and none.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_push_and_pull_through_a_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["push", str(run), "./shelf"], ["pull", "./shelf"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
    said = capsys.readouterr().out
    assert "written to shelf" in said and "saved: runs/shelf" in said
    names = sorted(path.name for path in (tmp_path / "shelf").iterdir())
    assert names == ["README.md", "adaptation.json", "adaptation.safetensors"]
    same(run, tmp_path / "runs" / "shelf")
    with pytest.raises(FileError, match="expected a new or an empty folder at"):
        hub.fetch("./shelf", tmp_path / "runs" / "shelf")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="expected a new or an empty folder at"):
        hub.fetch("./shelf", tmp_path / "file")
    (tmp_path / "empty").mkdir()
    same(run, hub.fetch("./shelf", tmp_path / "empty"))


def test_what_is_damaged_is_not_kept(run: Path, tmp_path: Path) -> None:
    hub.send(hub.parcel(run, "me/x"), str(tmp_path / "shelf"))
    (tmp_path / "shelf" / "adaptation.json").write_text("{}")
    with pytest.raises(ColdframeError, match=r"adaptation\.json"):
        hub.fetch(str(tmp_path / "shelf"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["shelf"]


@pytest.mark.parametrize("name", ["flowers", "a/b/c", "me/", "-x/y", "me/a b", ""])
def test_names_that_are_no_repository(name: str) -> None:
    with pytest.raises(InputError, match="expected a repository OWNER/NAME, or a folder"):
        hub.checked(name)


def test_the_card(run: Path) -> None:
    text = card(run, "me/flowers")
    assert "| test | 50 | 90.0% | 78.6% to 95.7% | 88.0% | 0.040 |" in text  # Wilson: (45 + z²/2 ± z ...) / (50 + z²)
    assert "Fitted on folder:flowers: 12 training and 6 validation images." in text and "secret" not in text
    assert load(run).backbone.digest in text and "coldframe pull me/flowers --out model" in text
    assert "Seed 3." in text and '"l2": 0.0001' in text and "Classes: red, green, blue." in text


@pytest.mark.parametrize(("spec", "shown"), [
    ("mini:caltech7", "mini:caltech7"), ("folder:a/b/c/", "folder:c"), ("a/b/c", "c"),
    ("mini:mnist+folder:a/<b>", "mini:mnist+folder:b"),
    ("C:\\data\\birds", "birds"),
])  # fmt: skip
def test_data_is_named_without_its_place(spec: str, shown: str) -> None:
    assert data_name(spec) == shown


def carded(run: Path, folder: Path, row: dict[str, Any] | None, **changed: Any) -> str:
    """Return the card of a copy of a run with another row, and other classes or choices."""
    folder.mkdir()
    about = json.loads((run / "adaptation.json").read_text()) | changed
    write_json(folder / "adaptation.json", about)
    if row is not None:
        write_json(folder / "result.json", {"row": row, "choices": {}, "history": []})
    return card(folder, "me/x")


def test_the_card_of_many_classes_of_tags_and_of_nothing_measured(run: Path, tmp_path: Path) -> None:
    names = [f"class {i}" for i in range(1052)]
    bare = carded(run, tmp_path / "a", None, classes=names, choices={})
    assert "An image classifier of 1,052 classes" in bare and "class 49 and 1,002 more." in bare and "class 50" not in bare
    assert "Not measured." in bare and "Fitted on data that was not recorded." in bare
    assert " more." not in carded(run, tmp_path / "b", {"method": "m", "top1": 0.5}, classes=names[:50])
    row = {"method": "m", "map": 0.51, "micro_f1": 0.5, "n": 1234, "top1": 0.2}
    tagged = carded(run, tmp_path / "c", row)
    assert "On 1,234 images of test: mAP 51.0%, micro F1 50.0%, macro F1 -." in tagged
    plain = carded(run, tmp_path / "d", {"method": "m", "top1": 0.5, "n": 2000, "split": "val"})
    assert "| val | 2,000 | 50.0% | 47.8% to 52.2% | - | - |" in plain


class Answer(Exception):
    """What a hub's library raises, with the status that the hub answered."""

    def __init__(self, status: int | None) -> None:
        super().__init__("no")
        self.response = None if status is None else type("R", (), {"status_code": status})()


def test_whatever_the_hub_says_is_one_sentence() -> None:
    def refuse(error: Exception) -> str:
        def act() -> str:
            raise error

        with pytest.raises(FileError) as caught:
            hub._told("cannot fetch x", act)
        return str(caught.value)

    for status in (401, 403):
        assert f"the hub refused the token ({status})" in refuse(Answer(status))
    assert refuse(Answer(500)) == "cannot fetch x: Answer (500); check the connection and the name"
    assert refuse(Answer(None)) == "cannot fetch x: Answer; check the connection and the name" == refuse(Answer(0))
    assert refuse(type("OfflineModeIsEnabled", (OSError,), {})()).endswith("unset it to use the network")
    assert [hub.is_local(name) for name in ("./x", "/x", "~/x", "me/x", "x")] == [True, True, True, False, False]
    assert hub.checked(f"{'a' * 96}/b") and hub.checked("./anything goes")
    with pytest.raises(InputError):
        hub.checked(f"{'a' * 97}/b")
