"""What the modules of the package define and name, read from their sources; kept in a file by the sources' content."""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genbench.config.cache import cached, keep

__all__ = ["Module", "Symbol", "modules", "read_module"]

PACKAGE = Path(__file__).parent.parent
# of a metric's card: what only the report shows
PROSE = {"title", "group", "what", "range", "floor", "uncertainty", "traps", "source", "main"}
NAMES_ONLY = {"chosen", "sorted", "len", "set", "frozenset"}  # functions that see a table's keys, not its entries
INNER = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


@dataclass
class Symbol:
    """A function, class, constant or entry of a table.

    `refs`: dotted paths that it names, from its module, with "[key]" or "[]" (by words) for an entry of a table, "?" where only
    keys matter and "*" for all of one. `words`: texts, by the part that they are in: "" but for attributes of a class and
    "__init__(argument)".
    """

    digest: str
    refs: list[str] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)
    bases: list[str] = field(default_factory=list)
    entries: "dict[str, Symbol] | None" = None  # of a table
    unions: list[str] = field(default_factory=list)  # tables that a table is the union of
    label: str = ""  # a class's attribute `name`


@dataclass
class Module:
    """A module: its symbols, what it imports of the package as (module, name or None), and what it does beyond definitions."""

    symbols: dict[str, Symbol]
    imports: dict[str, tuple[str, str | None]]
    effects: Symbol | None


# ---- the package


def modules() -> dict[str, Module]:
    """All modules of the package by name; a source that was read before, by any process, is not parsed again."""
    known = cached("code", _format()) or {}
    found, fresh = {}, False
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        source = path.read_bytes()
        key = hashlib.sha256(source + name.encode()).hexdigest()
        if key not in known:
            known[key], fresh = asdict(read_module(source.decode("utf-8"), name, path.name == "__init__.py")), True
        found[name] = key
    if fresh:
        keep("code", _format(), {key: known[key] for key in found.values()})
    return {name: _module(known[key]) for name, key in found.items()}


def _format() -> str:
    """What a stored summary depends on besides its source."""
    return f"{sys.version_info[:2]} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"


def _module(value: Mapping[str, Any]) -> Module:
    symbols = {name: _symbol(each) for name, each in value["symbols"].items()}
    imports = {name: (module, attribute) for name, (module, attribute) in value["imports"].items()}
    return Module(symbols, imports, _symbol(value["effects"]) if value["effects"] else None)


def _symbol(value: Mapping[str, Any]) -> Symbol:
    entries = value["entries"]
    return Symbol(**{**value, "entries": None if entries is None else {key: _symbol(each) for key, each in entries.items()}})


# ---- one module


def read_module(source: str, name: str, package: bool = False) -> Module:
    """Read a module from its source; `name`: such as genbench.models.gan, `package`: whether it is a package's __init__."""
    tree = _Bare().visit(ast.parse(source))
    inside, outside = _imports(tree, name, package)
    reader = _Context(inside, outside, name, package)
    symbols: dict[str, Symbol] = {}
    effects: list[ast.stmt] = []
    for node in tree.body:
        defined = _defined(node)
        if defined is None:
            effects.append(node)
        for each in defined or ():
            symbol = reader.symbol(node)
            symbols[each] = _both(symbols[each], symbol) if each in symbols else symbol
    done = reader.plain(ast.Module(effects, [])) if effects else None
    return Module(symbols, inside, done)


def _defined(node: ast.stmt) -> list[str] | None:
    """Names that a statement defines; None for one that does something else, nothing for imports and `__all__`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        parts = [part for target in node.targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if all(isinstance(part, ast.Name) for part in parts):
            return [part.id for part in parts if part.id != "__all__"]
    return None


def _both(a: Symbol, b: Symbol) -> Symbol:
    """A name that is defined twice, in branches for instance."""
    words = {part: a.words.get(part, []) + b.words.get(part, []) for part in {**a.words, **b.words}}
    return Symbol(_digest(a.digest + b.digest), a.refs + b.refs, words, a.bases + b.bases, b.entries, a.unions + b.unions)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _imports(tree: ast.AST, name: str, package: bool) -> tuple[dict[str, tuple[str, str | None]], dict[str, str]]:
    """What a module's top imports of the package, and of others."""
    inside: dict[str, tuple[str, str | None]] = {}
    outside: dict[str, str] = {}
    for node in ast.iter_child_nodes(tree):
        for local, module, attribute in _imported(node, name, package):
            if module.split(".")[0] == PACKAGE.name:
                inside[local] = (module, attribute)
            else:
                outside[local] = f"{module}:{attribute or ''}"
    return inside, outside


def _imported(node: ast.AST, name: str, package: bool) -> Iterator[tuple[str, str, str | None]]:
    if isinstance(node, ast.Import):
        for each in node.names:
            yield each.asname or each.name.split(".")[0], each.name if each.asname else each.name.split(".")[0], None
    elif isinstance(node, ast.ImportFrom):
        base = name.split(".") if package else name.split(".")[:-1]
        head = ".".join(base[: len(base) - node.level + 1]) if node.level else ""
        module = ".".join(filter(None, (head, node.module)))
        for each in node.names:
            yield each.asname or each.name, module, each.name


class _Bare(ast.NodeTransformer):
    """Removes what has no effect on a result: docstrings, annotations, imports for type checkers, the prose of cards."""

    def _body(self, node: Any) -> Any:
        if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_Module(self, node):
        return self._body(self.generic_visit(node))

    def visit_ClassDef(self, node):
        return self._body(self.generic_visit(node))

    def visit_FunctionDef(self, node):
        node.returns = None
        return self._body(self.generic_visit(node))

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        if node.value is None:  # the field of a dataclass, or a declaration
            return ast.Expr(node.target)
        return ast.Assign([node.target], node.value)

    def visit_If(self, node):
        test = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
        return None if test == "TYPE_CHECKING" else self.generic_visit(node)

    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, "id", "") == "Card":
            node.keywords = [each for each in node.keywords if each.arg not in PROSE]
        return node


class _Context:
    """Makes symbols of one module."""

    def __init__(self, inside: Mapping[str, Any], outside: Mapping[str, str], name: str, package: bool):
        self.inside, self.outside, self.name, self.package = inside, outside, name, package

    def plain(self, node: ast.AST) -> Symbol:
        """Of any piece of code."""
        visitor = _Names(self)
        visitor.visit(node)
        return self._made(node, visitor)

    def symbol(self, node: ast.stmt) -> Symbol:
        """Of a definition."""
        if isinstance(node, ast.ClassDef):
            return self._class(node)
        if isinstance(node, ast.Assign):
            return self._constant(node.value)
        return self.plain(node)

    def _constant(self, value: ast.expr) -> Symbol:
        if isinstance(value, ast.Dict) and value.keys and all(isinstance(getattr(k, "value", None), str) for k in value.keys):
            entries = {k.value: self._constant(each) for k, each in zip(value.keys, value.values, strict=True)}
            return Symbol("table", entries=entries)
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
            sides = [_dotted(side) for side in (value.left, value.right)]
            if all(sides):
                return Symbol("table", entries={}, unions=sides)
        return self.plain(value)

    def _class(self, node: ast.ClassDef) -> Symbol:
        visitor = _Names(self)
        label = ""
        for base in (*node.bases, *node.keywords, *node.decorator_list):
            visitor.visit(base)
        for each in node.body:
            for part, value in _attributes(each):
                visitor.part = part
                if part == "name" and isinstance(value, ast.Constant):
                    label = str(value.value)
                visitor.visit(value)
        symbol = self._made(node, visitor)
        symbol.bases, symbol.label = [path for base in node.bases if (path := _dotted(base))], label
        return symbol

    def _made(self, node: ast.AST, visitor: "_Names") -> Symbol:
        text = ast.dump(node) + json.dumps(sorted(visitor.external))
        words = {part: sorted(each) for part, each in sorted(visitor.words.items()) if each}
        return Symbol(_digest(text), sorted(visitor.refs), words)


def _attributes(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """What a statement in a class gives to attributes, and its code under "" where it does something else."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts, strict=True))
        if all(isinstance(each, ast.Name) for each, _ in pairs):
            yield from ((each.id, value) for each, value in pairs)
            return
    yield "", node


def _dotted(node: ast.AST) -> str:
    """a.b.c of names and attributes, empty for other code."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class _Names(ast.NodeVisitor):
    """Collects the global names and the words of a piece of code."""

    def __init__(self, context: _Context):
        self.context, self.part = context, ""
        self.refs: set[str] = set()
        self.words: dict[str, set[str]] = {}
        self.external: set[str] = set()
        self.scopes: list[dict[str, str | None]] = []  # local names; those of local imports with where they lead
        self.iterated = self.silent = self.message = False

    # ---- names

    def refer(self, path: str, how: str) -> None:
        """Note a dotted path that begins with a global name, or with one that a local import made."""
        how = "?" if self.message and how == "*" else how
        head, _, rest = path.partition(".")
        for scope in reversed(self.scopes):
            if head in scope:
                if (target := scope[head]) is not None:
                    self.refs.add("/" + target + (f".{rest}" if rest else "") + how)
                return
        if head in self.context.outside:
            self.external.add(f"{head}={self.context.outside[head]}")
        else:
            self.refs.add(path + how)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.refer(node.id, "*")

    def visit_Attribute(self, node):
        path = _dotted(node)
        if not path:
            self.visit(node.value)
        elif isinstance(node.ctx, ast.Load):
            owner, _, last = path.rpartition(".")
            if last in ("items", "values", "copy", "keys"):
                self.refer(owner, "?" if last == "keys" and not self.iterated else "*")
            else:
                self.refer(path, "*")

    def visit_Subscript(self, node):
        path = _dotted(node.value)
        key = node.slice
        if isinstance(key, ast.Constant):
            if path:
                self.refer(path, f"[{key.value}]")
            else:
                self.visit(node.value)
            return
        if path:
            self.refer(path, "*" if isinstance(key, ast.JoinedStr | ast.BinOp) else "[]")
        else:
            self.visit(node.value)
        self.visit(key)

    def visit_Call(self, node):
        function, path = node.func, _dotted(node.func)
        owner, _, last = path.rpartition(".")
        if last == "get" and owner and node.args:
            key = node.args[0]
            self.refer(owner, f"[{key.value}]" if isinstance(key, ast.Constant) else "[]")
            rest = node.args[1:] if isinstance(key, ast.Constant) else node.args
        else:
            rest = node.args
            if isinstance(function, ast.Attribute) and function.attr == "join":
                path = "join"
                self.visit(function.value)
            else:
                self.visit(function)
        for each in rest:
            if path in (*NAMES_ONLY, "join") and not self.iterated:
                self.names_only(each)
            else:
                self.visit(each)
        for each in node.keywords:
            self.visit(each.value)

    def names_only(self, node: ast.AST) -> None:
        """Of a table, or of a list into which tables are unpacked, only the keys are looked at."""
        if path := _dotted(node):
            self.refer(path, "?")
        elif isinstance(node, ast.List | ast.Tuple):
            for each in node.elts:
                self.names_only(each.value) if isinstance(each, ast.Starred) else self.visit(each)
        else:
            self.visit(node)

    # ---- words

    def visit_Constant(self, node):
        if isinstance(node.value, str) and not self.silent:
            self.words.setdefault(self.part, set()).add(node.value)

    def visit_JoinedStr(self, node):
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                self.visit(each)

    def quietly(self, *nodes: ast.AST | None) -> None:
        """Names count, words don't."""
        before, self.silent = self.silent, True
        for node in nodes:
            if node is not None:
                self.visit(node)
        self.silent = before

    def visit_Raise(self, node):  # what a message lists decides nothing
        before, self.message = self.message, True
        self.quietly(node.exc, node.cause)
        self.message = before

    def visit_Compare(self, node):
        inside = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        for each in (node.left, *node.comparators):
            if inside and each is not node.left and (path := _dotted(each)):
                self.refer(path, "?")
            elif isinstance(each, ast.Constant | ast.Tuple | ast.List | ast.Set):
                self.quietly(each)
            else:
                self.visit(each)

    def visit_Dict(self, node):
        self.quietly(*(key for key in node.keys if key is not None))
        for each in node.values:
            self.visit(each)

    # ---- scopes

    def visit_For(self, node):
        self.iterate(node.iter)
        for each in (node.target, *node.body, *node.orelse):
            self.visit(each)

    def iterate(self, node: ast.AST) -> None:
        before, self.iterated = self.iterated, True
        self.visit(node)
        self.iterated = before

    def comprehension(self, node, *parts: ast.AST) -> None:
        self.scopes.append(dict.fromkeys(_bound(each.target for each in node.generators)))
        for each in node.generators:
            self.iterate(each.iter)
            for test in each.ifs:
                self.visit(test)
        for each in parts:
            self.visit(each)
        self.scopes.pop()

    def visit_ListComp(self, node):
        self.comprehension(node, node.elt)

    visit_SetComp = visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node):
        self.comprehension(node, node.key, node.value)

    def visit_Lambda(self, node):
        self.function(node, [node.body])

    def visit_FunctionDef(self, node):
        for each in node.decorator_list:
            self.visit(each)
        self.function(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def function(self, node: Any, body: list[ast.AST]) -> None:
        arguments = node.args
        own = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        named = [*arguments.posonlyargs, *arguments.args]
        defaults = [*zip(named[len(named) - len(arguments.defaults) :], arguments.defaults, strict=True)]
        defaults += [pair for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if pair[1] is not None]
        before = self.part
        for argument, default in defaults:
            self.part = f"__init__({argument.arg})" if getattr(node, "name", "") == "__init__" and not before else before
            self.visit(default)
        self.part = before
        scope: dict[str, str | None] = {each.arg: None for each in own if each is not None}
        scope |= dict.fromkeys(_bound(body))
        for each in body:
            for inner in ast.walk(each):
                for local, module, attribute in _imported(inner, self.context.name, self.context.package):
                    if module.split(".")[0] == PACKAGE.name:
                        scope[local] = f"{module}:{attribute or ''}"
                    else:
                        scope[local] = None
                        self.external.add(f"{local}={module}:{attribute or ''}")
        self.scopes.append(scope)
        for each in body:
            self.visit(each)
        self.scopes.pop()

    def visit_ClassDef(self, node):  # inside a function
        self.generic_visit(node)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that code assigns in its own scope, those of nested scopes included (which errs on the side of a local name)."""
    declared: set[str] = set()
    found: list[str] = []
    for node in nodes:
        for each in _own(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                found.append(each.id)
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler):
                found.append(each.name or "")
            elif isinstance(each, ast.Global | ast.Nonlocal):
                declared |= set(each.names)
    return (name for name in found if name not in declared)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it, but not inside functions, classes, lambdas and comprehensions."""
    yield node
    if not isinstance(node, INNER):
        for each in ast.iter_child_nodes(node):
            yield from _own(each)
