"""What every verb shares: one sentence for what the machine lacks, for Ctrl-C, and for words that the parser refuses."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

import pytest

from coldframe.cli import VERBS, guard, main
from coldframe.errors import InputError


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    return int(stopped.value.code or 0), capsys.readouterr().err


def failing(error: BaseException) -> Callable[[list[str]], None]:
    def fail(words: list[str]) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "x" * 5000), "file name too long"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on device"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "made/up"), "cannot use 'made/up': permission denied"),
        (MemoryError(), "the memory of this machine"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "the memory"),
        (InputError("expected a name, found 'a\nb\x1b[31m'"), "found 'a\\nb\\x1b[31m'"),
    ],
)
def test_what_the_machine_lacks_is_one_sentence(
    error: BaseException, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_dispatch", failing(error))
    code, said = ended(capsys, "cache")
    assert code == 2 and says in said and said.startswith("coldframe: ") and said.count("\n") == 1 and len(said) < 300


def test_a_mistake_of_coldframes_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_dispatch", failing(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        main(["cache"])


def test_a_reader_that_has_gone_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_dispatch", failing(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    assert ended(capsys, "cache") == (141, "")


@pytest.mark.parametrize("verb", VERBS)
def test_ctrl_c_is_one_sentence_in_every_verb(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    # A shell starts what runs in its background with the signal ignored; then Python has no handler of its own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(guard, "_dispatch", pressed)
        code, said = ended(capsys, verb)
        assert code == 130 and said.startswith("coldframe: stopped; ") and said.count("\n") == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_parser_lets_ctrl_c_through(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.cold.Store.shelves", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    code, said = ended(capsys, "cache")
    assert code == 130 and "stopped" in said
