"""Reads a shell command: its simple commands, what they run and which files they write. It reads words; it runs nothing.

A command can hide what it does (a script, an alias, a variable), so this is no proof: the evidence at the gate is.
"""

import os
import sys

from .words import word_set

_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ksh", "fish"})
_WRAPPERS = word_set(
    """
    sudo doas env command exec nohup time nice ionice timeout xargs builtin stdbuf setsid then do else elif
    if while until ! { } fi done script unbuffer chronic
    """
)
_DEPTH = 6


class Simple:
    """One simple command: its words, the files that redirections write, and the folder that it runs in."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.writes: list[str] = []
        self.inner: list[str] = []
        self.fed = ""

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return os.path.basename(self.words[0].replace("\\", "/")).removesuffix(".exe") if self.words else ""


def commands(text: str, depth: int = 0) -> "list[Simple]":
    """The simple commands of a text, those inside ``$(…)`` and ``bash -c`` too."""
    simples: list[Simple] = []
    for command in _Reader(text).read():
        plain = _unwrap(command)
        simples += [inner for part in plain.inner for inner in (commands(part, depth + 1) if depth < _DEPTH else [])]
        nested = _nested_text(plain) if depth < _DEPTH else ""
        if nested:
            simples += commands(nested, depth + 1)
        if plain.words or plain.writes:
            simples.append(plain)
    return simples


def _unwrap(command: Simple) -> Simple:
    """Without assignments and programs that run another one; their options and numbers go with them."""
    words, at = command.words, 0
    while at < len(words):
        name = os.path.basename(words[at])
        if _is_assignment(words[at]):
            at += 1
        elif name in _WRAPPERS:
            at += 1
            while at < len(words) and _goes_with_wrapper(words[at]):
                at += 1
            if name == "script" and at < len(words):  # script -qec 'command' /dev/null
                command.inner.append(words[at])
                at = len(words)
        else:
            break
    command.words = words[at:]
    return command


def _goes_with_wrapper(word: str) -> bool:
    return word.startswith("-") or word[:1].isdigit() or _is_assignment(word)


def _is_assignment(word: str) -> bool:
    name, sign, _ = word.partition("=")
    return bool(sign) and name.replace("_", "a").isalnum() and not name[0].isdigit()


def _nested_text(command: Simple) -> str:
    """The text that a shell or ``eval`` runs."""
    if command.name == "eval":
        return " ".join(command.words[1:])
    if command.name not in _SHELLS:
        return ""
    for number, word in enumerate(command.words[1:], 1):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            return command.words[number + 1] if number + 1 < len(command.words) else ""
    return command.fed


class _Reader:
    """Splits a text into simple commands."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text.replace("\\\n", ""), 0
        self.found: list[Simple] = []
        self.now = Simple()
        self.word: list[str] | None = None
        """Its pieces so far: put together once, as a text may be one word of 100 kB."""
        self.into = ""
        self.awaited: list[tuple[Simple, str]] = []

    def read(self) -> "list[Simple]":
        while self.at < len(self.text):
            self._step(self.text[self.at])
        self._end_command()
        return self.found

    def _step(self, sign: str) -> None:
        two = self.text[self.at : self.at + 2]
        if sign in "'\"":
            self._read_quoted(sign)
        elif sign == "\\":
            self._read_backslash()
        elif two in ("$(", "<(", ">(") or sign == "`":
            self._substitution(sign)
        elif sign in "<>" or two == "&>":
            self._redirection()
        elif sign == "#" and self.word is None:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif sign in ";|&()\n":
            self._end_command()
            self.at += 1
            if sign == "\n":
                self._here_documents()
        elif sign.isspace():
            self._end_word()
            self.at += 1
        else:
            self._add(sign, 1)

    def _add(self, text: str, step: int) -> None:
        if self.word is None:
            self.word = []
        self.word.append(text)
        self.at += step

    def _read_backslash(self) -> None:
        """A backslash and what follows. Before a name it stays on Windows, where PowerShell has it in paths and never as an escape."""
        sign = self.text[self.at + 1 : self.at + 2]
        is_in_path = sys.platform == "win32" and (sign.isalnum() or sign in ("_", ".", "-", "~"))
        self._add(f"\\{sign}" if is_in_path else sign, 2)

    def _end_word(self) -> None:
        if self.word is None:
            return
        word = "".join(self.word)
        if self.into == ">":
            self.now.writes.append(word)
        elif self.into == "<<":
            self.awaited.append((self.now, word))
        elif self.into == "<<<":
            self.now.fed = word
        elif not self.into:
            self.now.words.append(word)
        self.word, self.into = None, ""

    def _end_command(self) -> None:
        self._end_word()
        if self.now.words or self.now.writes or self.now.inner:
            self.found.append(self.now)
        self.now = Simple()

    def _read_quoted(self, sign: str) -> None:
        """A quoted part of a word; commands substituted in double quotes are found too."""
        self._add("", 1)
        end = self.text.find(sign, self.at)
        plain = self.text[self.at : len(self.text) if end < 0 else end]
        if sign == "'" or not ("\\" in plain or "`" in plain or "$(" in plain):
            self._add(plain, len(plain) + 1)
            return
        while self.at < len(self.text) and self.text[self.at] != sign:
            if self.text[self.at] == "\\":
                self._read_backslash()
            elif self.text[self.at] == "`" or self.text.startswith("$(", self.at):
                self._substitution(self.text[self.at])
            else:
                self._add(self.text[self.at], 1)
        self.at += 1

    def _substitution(self, sign: str) -> None:
        """``$(…)``, `` `…` ``, ``<(…)``: its text is a command of its own; its result is unknown."""
        start = self.at + (1 if sign == "`" else 2)
        end, depth = start, 1
        while end < len(self.text) and depth:
            sign_here = self.text[end]
            depth += 0 if sign == "`" else (sign_here == "(") - (sign_here == ")")
            depth -= sign == "`" and sign_here == "`"
            end += 1
        self.now.inner.append(self.text[start : end - 1])
        self._add("$(…)", end - self.at)

    def _redirection(self) -> None:
        if self.word is not None and "".join(self.word).isdigit():
            self.word = None  # the number of a descriptor
        self._end_word()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "<>&|" and self.at - start < 3:
            self.at += 1
        signs = self.text[start : self.at]
        if signs.endswith("<&") or (signs.endswith(">&") and self.text[self.at : self.at + 1] in "0123456789-"):
            self.into = "&"  # of a descriptor
        elif signs.startswith("<<"):
            self.into = "<<<" if signs.startswith("<<<") else "<<"
            if self.text[self.at : self.at + 1] == "-":
                self.at += 1
        else:
            self.into = ">" if ">" in signs else "<"

    def _here_documents(self) -> None:
        """The texts after a line with ``<<``; a shell runs them."""
        for command, mark in self.awaited:
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line, self.at = self.text[self.at : end], min(end + 1, len(self.text))
                if line.strip() == mark:
                    break
                lines.append(line)
            command.fed = "\n".join(lines)
        self.awaited = []
