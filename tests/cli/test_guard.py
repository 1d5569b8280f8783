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


def test_sentences_with_endless_names_are_cut_and_others_are_not() -> None:
    for length, said in ((299, "y" * 299), (300, f"{'y' * 80}…{'y' * 40} (300 characters)")):
        assert guard._LONG.sub(guard._cut, f"a {'y' * length} b") == f"a {said} b"
    assert guard._LONG.sub(guard._cut, "y" * 1234) == f"{'y' * 80}…{'y' * 40} (1,234 characters)"


def test_a_file_that_cannot_be_used_is_named_and_standard_output_is_not() -> None:
    assert guard._system(OSError(errno.EACCES, "Permission denied", "a")) == "cannot use 'a': permission denied; check the path"
    assert guard._system(OSError("Odd")).startswith("cannot write what was asked for: odd; look at")
    assert guard._is_memory(RuntimeError("CUDA out of memory. Tried")) and guard._is_memory(MemoryError("x"))
    assert not guard._is_memory(RuntimeError("memory"))


def test_help_and_version_and_home(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from coldframe.version import __version__

    heads = []
    for words in ([], ["--help"], ["-h"], ["help"]):
        main(words)
        heads.append(capsys.readouterr().out)
    assert len(set(heads)) == 1 and "compare" in heads[0]
    main(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"
    assert "unknown verb 'xyz'; coldframe --help lists the verbs" in ended(capsys, "xyz")[1]
    assert "did you mean 'compare'" in ended(capsys, "compar")[1]
    monkeypatch.setenv("HOME", "/h")
    words = ("~", "~/a", "--out=~/a", "--out=~", "a=~/b", "~other", "--~/a", "a~/b", "--out=x~/a")
    assert [guard.at_home(word) for word in words] == [
        "/h", "/h/a", "--out=/h/a", "--out=/h", "a=~/b", "~other", "--~/a", "a~/b", "--out=x~/a",
    ]  # fmt: skip


def test_tables_that_were_left_are_taken_away_and_own_warnings_become_notes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    from coldframe.cli.live import Terminal
    from coldframe.errors import SolverWarning

    monkeypatch.setattr(guard, "_dispatch", lambda words: Terminal().planned(["knn"], {}, 1))
    main(["cache"])
    assert Terminal.shown is None
    capsys.readouterr()
    others: list[str] = []
    with warnings.catch_warnings():
        monkeypatch.setattr(warnings, "showwarning", lambda message, *rest, **more: others.append(str(message)))
        guard._show_warnings()
        once = warnings.showwarning
        guard._show_warnings()
        assert warnings.showwarning is once, "not wrapped twice"
        once(SolverWarning("slow\x1b"), SolverWarning, "f", 1)
        once(UserWarning("plain"), UserWarning, "f", 1)
    assert others == ["plain"] and capsys.readouterr().err == "coldframe: note: slow\\x1b\n"
