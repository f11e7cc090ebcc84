"""What code a result depends on: the symbols that it reaches, read from the sources without importing them.

A *symbol* is a function, class or constant at the top of a module. It reaches the symbols that its code names. A *table*, a
dictionary with literal text keys, is not reached as a whole: an entry counts where its key is a *word* of the result, that is,
a text in the settings or in the code that is reached. Comments, docstrings, annotations, `__all__`, comparisons and messages
name nothing. What reads the configuration and what owns the files of results is left out: a result depends on what they say,
which is hashed itself.
"""

import functools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genbench.config.hashing import short_hash
from genbench.config.symbols import Module, Symbol, modules

__all__ = ["Reach", "code_hash", "model_symbols", "reach", "tables"]

CONFIG, RESULTS = "genbench.config", "genbench.results"


@dataclass(frozen=True)
class Reach:
    """What a result reaches: digests by symbol ("module:name", or "module:TABLE[key]"), and the words that named entries."""

    digests: Mapping[str, str]
    words: frozenset[str]

    def hash(self) -> str:
        """A hash of the code alone: where a symbol lies does not count, so that moving it reruns nothing."""
        return short_hash(sorted((name.partition(":")[2], digest) for name, digest in self.digests.items()), 8)


@functools.cache
def _modules() -> Mapping[str, Module]:
    return modules()


def code_hash(*roots: str, settings: Any = None, given: Iterable[str] = (), results: bool = False) -> str:
    """Hash of all code that the roots reach; see reach."""
    return _hash(roots, frozenset(texts(settings)), frozenset(given), results)


@functools.cache
def _hash(roots: tuple[str, ...], words: frozenset[str], given: frozenset[str], results: bool) -> str:
    return _reach(roots, words, given, results).hash()


def reach(*roots: str, settings: Any = None, given: Iterable[str] = (), results: bool = False) -> Reach:
    """What symbols ("genbench.training.trainer:Trainer") reach.

    Arguments:
        settings: JSON-able; the texts in it, keys but for, are words. given: arguments of the constructor of the first root, a
            class, that the settings give: its own defaults of them name nothing. results: whether what reads and writes the
            files of results counts.
    """
    return _reach(roots, frozenset(texts(settings)), frozenset(given), results)


def texts(value: Any) -> Iterator[str]:
    """All texts in a JSON-able value, except keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts(each)


class _Search:
    """A search through the symbols: what is reached grows with the words, and the words with what is reached."""

    def __init__(self, words: Iterable[str], left_out: tuple[str, ...]):
        self.words, self.left_out = set(words), left_out
        self.digests: dict[str, str] = {}
        self.waiting: dict[str, list[tuple[str, str, Symbol]]] = {}  # entries of tables by a key that no word names yet
        self.todo: deque[tuple[str, str]] = deque()
        self.seen: set[tuple[str, str]] = set()  # paths that were asked for
        self.done: set[str] = set()  # symbols whose words and paths were taken in

    def run(self) -> Reach:
        while self.todo:
            module, path = self.todo.popleft()
            self._resolve(module, path)
        return Reach(self.digests, frozenset(self.words))

    def ask(self, module: str, path: str) -> None:
        if (module, path) not in self.seen:
            self.seen.add((module, path))
            self.todo.append((module, path))

    def _resolve(self, module: str, path: str) -> None:
        """Follow a dotted path from a module.

        It may end in "[]" (entries of a table by words), "[key]" (that entry), "*" (all) or "?" (none: only keys are looked at).
        """
        if path.startswith("/"):  # of a function's own import
            module, _, path = path[1:].partition(":")
            path = path.removeprefix(".")
        path, how = (path[: path.index("[")], path[path.index("[") :]) if "[" in path else (path, "")
        path, how = (path[:-1], path[-1]) if path.endswith(("*", "?")) else (path, how)
        found = _find(module, path)
        if found is None or found[0].startswith(self.left_out):
            return
        where, name = found
        if name is None:  # a module itself is passed on: all of it
            for each in _modules()[where].symbols:
                self.ask(where, f"{each}*")
            return
        symbol = _modules()[where].symbols[name]
        self._effects(where)
        if (found := FOUND.get(f"{where}:{name}")) is not None:
            symbol = Symbol(symbol.digest, entries={key: Symbol("", refs=["/" + each]) for key, each in found().items()})
        if symbol.entries is not None and how == "?":
            return
        if symbol.entries is not None and how != "*":
            self._table(f"{where}:{name}", where, symbol, how)
        elif how == "?":
            self.add(f"{where}:{name}", where, symbol, silent=True)
        else:
            self.add(f"{where}:{name}", where, symbol)
            for key, entry in (symbol.entries or {}).items():
                self.add(f"{where}:{name}[{key}]", where, entry, deep=True)
        for each in symbol.unions:
            self.ask(where, each + how)

    def _table(self, name: str, where: str, symbol: Symbol, how: str) -> None:
        if how not in ("", "[]"):
            if (entry := symbol.entries.get(how[1:-1])) is not None:
                self._entry(f"{name}{how}", where, entry)
            return
        for key, entry in symbol.entries.items():
            if key in self.words:
                self._entry(f"{name}[{key}]", where, entry)
            else:
                self.waiting.setdefault(key, []).append((f"{name}[{key}]", where, entry))

    def _entry(self, name: str, where: str, entry: Symbol) -> None:
        if entry.entries is not None:  # a table of tables, or of plain settings, which count together
            for key, each in entry.entries.items():
                if not each.refs and each.entries is None:
                    self.add(f"{name}[{key}]", where, each)
            self._table(name, where, entry, "[]")
        else:
            self.add(name, where, entry)

    def _effects(self, where: str) -> None:
        """What a module does when it is imported, apart from what it defines."""
        if (symbol := _modules()[where].effects) is not None:
            self.add(f"{where}:", where, symbol)

    def add(
        self, name: str, where: str, symbol: Symbol, deep: bool = False, without: Iterable[str] = (), silent: bool = False
    ) -> None:
        """Take in a symbol.

        Arguments:
            without: parts (attributes of a class, defaults of its constructor) whose words don't count. silent: no words count.
        """
        self.digests[name] = symbol.digest
        if silent or name in self.done:
            return
        self.done.add(name)
        for path in symbol.refs:
            self.ask(where, path)
        if deep and symbol.entries is not None:
            for key, entry in symbol.entries.items():
                self.add(f"{name}[{key}]", where, entry, deep=True)
        self.name(word for part, words in symbol.words.items() if part not in without for word in words)

    def name(self, words: Iterable[str]) -> None:
        for word in set(words) - self.words:
            self.words.add(word)
            for entry in self.waiting.pop(word, ()):
                self._entry(*entry)


def _reach(roots: tuple[str, ...], words: frozenset[str], given: frozenset[str], results: bool) -> Reach:
    search = _Search(words, (CONFIG,) if results else (CONFIG, RESULTS))
    for i, root in enumerate(roots):
        module, name = root.split(":")
        if i == 0 and (found := _find(module, name)) is not None and found[1] is not None:
            _as_class(search, *found, given)
        search.ask(module, name)
    return search.run()


def _as_class(search: _Search, module: str, name: str, given: frozenset[str]) -> None:
    """Take in a class and its bases as one: of an attribute the most derived class's value counts, and none that is given."""
    hidden = set(given)
    for where, own in lineage(module, name):
        symbol = _modules()[where].symbols[own]
        search._effects(where)
        search.add(f"{where}:{own}", where, symbol, without=frozenset(hidden) | {f"__init__({each})" for each in given})
        hidden |= set(symbol.words) - {""}


def lineage(module: str, name: str) -> Iterator[tuple[str, str]]:
    """A class and its bases in the package, depth first, each once."""
    todo, seen = [(module, name)], set()
    while todo:
        where, own = todo.pop(0)
        if (where, own) in seen:
            continue
        seen.add((where, own))
        yield where, own
        bases = (_find(where, base) for base in _modules()[where].symbols[own].bases)
        todo = [each for each in bases if each is not None and each[1] is not None] + todo


def _find(module: str, path: str) -> tuple[str, str | None] | None:
    """Where a dotted path from a module ends: a module and a symbol's name, or None for the module itself; None outside."""
    every, parts = _modules(), path.split(".") if path else []
    while module in every:
        if not parts:
            return module, None
        head, here = parts[0], every[module]
        if head in here.symbols:
            return module, head
        if head in here.imports:
            target, name = here.imports[head]
            module, parts = target, ([name] if name else []) + parts[1:]
            own = every.get(target)
            # a submodule, unless the package has a name of its own for it (which an import of itself is not)
            known = own and (name in own.symbols or own.imports.get(name, (target, name)) != (target, name))
            if name and f"{target}.{name}" in every and not known:
                module, parts = f"{target}.{name}", parts[1:]
        elif f"{module}.{head}" in every:
            module, parts = f"{module}.{head}", parts[1:]
        else:
            return None
    return None


# ---- what is found by file rather than named in a table


@functools.cache
def model_symbols() -> Mapping[str, str]:
    """Symbols of all models by name: classes in genbench/models with a class attribute `name`."""
    found = {}
    for module, each in _modules().items():
        if module.startswith("genbench.models."):
            for name, symbol in each.symbols.items():
                if symbol.label:
                    if symbol.label in found:
                        raise ValueError(f"two models are called {symbol.label!r}: {found[symbol.label]} and {module}:{name}")
                    found[symbol.label] = f"{module}:{name}"
    return found


# tables that are found by file, by the symbol that stands for them
FOUND = {"genbench.models:MODELS": model_symbols}


def tables() -> dict[str, tuple[str, ...]]:
    """Keys of all tables, by "module:NAME"."""
    return {
        f"{module}:{name}": tuple(symbol.entries)
        for module, each in _modules().items()
        for name, symbol in each.symbols.items()
        if symbol.entries is not None
    }
