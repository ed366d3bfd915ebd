"""The words of a formula: text to tokens, with exact positions.

A formula is a chain of *atoms* joined by operators. As in patsy, an atom is any
piece of Python (``days``, ``np.log(x)``, ``C(f, Treatment("a|b"))``) and ends at the
next operator outside its own brackets. Two things are decided here so that no later
stage has to think of them:

- A column whose name is a Python keyword (``yield``, ``class``) cannot be evaluated by
  patsy; where Python could not mean the keyword, it becomes ``Q("yield")``.
- Python would take a bar for a bitwise "or", so ``center(x | g)`` might quietly
  compute something: inside a call a bar is an error, except within ``I(...)``.
"""

from __future__ import annotations

import ast
import keyword
import re
import tokenize as python_tokens
from functools import lru_cache
from typing import NamedTuple

import patsy.builtins
from patsy.tokens import pretty_untokenize

from ..errors import FormulaError
from ..structures.registry import known
from .terms import quote_column

__all__ = [
    "Token",
    "atoms",
    "call_of",
    "fail",
    "python_names",
    "read_column",
    "tokenize",
]

# The spelling of every operator and the one name it has from here on.
OPERATORS = {
    "~": "~",
    "+": "+",
    "-": "-",
    "*": "*",
    "/": "/",
    ":": ":",
    "&": ":",
    "**": "**",
    "^": "**",
    "|": "|",
    "||": "||",
    "(": "(",
    ")": ")",
}

_PIECE = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>[rRbBuUfF]{0,2}(?:
        \"\"\"(?:\\.|[^\\])*?\"\"\" | '''(?:\\.|[^\\])*?'''
      | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*'))
  | (?P<number>0[xXoObB][\da-fA-F_]+ | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?[jJ]?)
  | (?P<name>[^\W\d]\w*)
  | (?P<op>\*\*|\|\||//|<<|>>|[<>=!]=|:=|[-+*/%@&|^~<>=()\[\]{},:.])
  | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PYTHON_TYPE = {
    "name": python_tokens.NAME,
    "number": python_tokens.NUMBER,
    "string": python_tokens.STRING,
    "op": python_tokens.OP,
}
_CLOSES = {")": "(", "]": "[", "}": "{"}
_BAD = {
    "#": "a formula cannot hold a comment.",
    '"': "this string is not closed.",
    "'": "this string is not closed.",
    "`": 'a column with an odd name is written Q("the name").',
}
_CONSTANTS = {"True", "False", "None"}
_INFIX_KEYWORDS = {"and", "or", "in", "is", "if", "else", "for"}


class Token(NamedTuple):
    """One word of a formula: ``text[start:end]``.

    `kind` is ``"atom"``, ``"number"``, ``"zerocorr"``, ``"structure"``, ``"end"`` or a value of
    `OPERATORS`; `text` is the atom as patsy code, normally spaced, or what the user typed. That of
    a structure is a call without what is around its bar, ``"arma(p=1, q=2)"``.
    """

    kind: str
    text: str
    start: int
    end: int


def fail(message: str, formula: str, start: int, end: int) -> FormulaError:
    """Return the error that marks ``formula[start:end]``, shown as a single line."""
    return FormulaError(message, re.sub(r"\s", " ", formula), start, end)


def tokenize(formula: str) -> list[Token]:
    """Split a formula into tokens, the last of kind ``"end"``.

    Raises
    ------
    FormulaError
        For characters, strings, brackets or Python code that cannot be read.
    """
    pieces = _pieces(formula)
    tokens = []
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece.kind == "op" and piece.text in OPERATORS:
            tokens.append(piece._replace(kind=OPERATORS[piece.text]))
            at += 1
        elif piece.text == "zerocorr" and pieces[at + 1 : at + 2] and pieces[at + 1].text == "(":
            tokens.append(piece._replace(kind="zerocorr"))
            at += 1
        elif (call := _structure(formula, pieces, at)) is not None:
            token, pieces = call
            tokens.append(token)
            at += 1
        elif piece.kind == "op" and piece.text not in "[{":
            message = f"a term cannot begin with {piece.text}."
            if piece.text == ".":
                message = "a term cannot begin with a dot: write the names of the columns."
            raise fail(message, formula, piece.start, piece.end)
        else:
            size = _atom_size(formula, pieces, at)
            tokens.append(_atom(formula, pieces[at : at + size]))
            at += size
    tokens.append(Token("end", "", len(formula), len(formula)))
    return tokens


def atoms(code: str) -> list[str]:
    """List the Python pieces of a formula or of a part of one, in order."""
    return [token.text for token in tokenize(code) if token.kind == "atom"]


@lru_cache(maxsize=1024)
def python_names(code: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names in an atom: those that are data, and those that only the data can identify.

    The second kind comes before a dot (``np`` in ``np.log(x)``, but also ``x`` in
    ``x.shift(1)``) or is an object of patsy's (``Treatment``). Called functions and
    names bound by a lambda or a comprehension are in neither.

    Raises
    ------
    SyntaxError
        When `code` is not a Python expression.
    """
    if code.isidentifier():
        return (code,), ()
    columns: dict[str, None] = {}
    unclear: dict[str, None] = {}
    bound: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            first = node.args[0] if node.args else None
            if node.func.id == "Q" and isinstance(first, ast.Constant):
                columns[str(first.value)] = None
                return
            for child in [*node.args, *node.keywords]:
                visit(child)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            unclear[node.value.id] = None
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            else:
                (unclear if node.id in patsy.builtins.__all__ else columns)[node.id] = None
        else:
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse(code, mode="eval").body)
    return (
        tuple(name for name in columns if name not in bound),
        tuple(name for name in unclear if name not in bound and name not in columns),
    )


def _pieces(formula: str) -> list[Token]:
    """Split into Python's own tokens; kinds are the group names of `_PIECE`."""
    pieces = []
    for match in _PIECE.finditer(formula):
        kind = match.lastgroup or ""
        if kind == "bad":
            character = match.group()
            message = _BAD.get(character, f"the character {character} has no meaning here.")
            if character == "`":
                name, closed, _ = formula[match.end() :].partition("`")
                message = message.replace("the name", name) if closed else message
            end = len(formula) if character in "\"'" else match.end()
            raise fail(message, formula, match.start(), end)
        if kind != "space":
            pieces.append(Token(kind, match.group(), match.start(), match.end()))
    return pieces


def _atom_size(formula: str, pieces: list[Token], first: int) -> int:
    """Count the pieces of the atom that begins at ``pieces[first]``."""
    brackets: list[tuple[Token, str]] = []  # open bracket, name of the function called
    bar: tuple[Token, str] | None = None
    at = first
    for at in range(first, len(pieces)):
        piece = pieces[at]
        if piece.kind != "op":
            continue
        text = piece.text
        if text in ("(", "[", "{"):
            before = pieces[at - 1] if at > first else None
            called = before.text if text == "(" and before and before.kind == "name" else ""
            brackets.append((piece, called))
        elif text in _CLOSES and brackets:
            if brackets[-1][0].text != _CLOSES[text]:
                raise fail(
                    f"{text} does not close {brackets[-1][0].text}.",
                    formula,
                    piece.start,
                    piece.end,
                )
            brackets.pop()
        elif brackets:
            _refuse_caret(formula, piece)
            if text in ("|", "||") and bar is None and all(name != "I" for _, name in brackets):
                bar = piece, brackets[0][1]
        elif text in OPERATORS:
            break
        elif text in _CLOSES or text == ",":
            what = "a comma outside of a call" if text == "," else f"{text} without its opening"
            raise fail(what, formula, piece.start, piece.end)
    else:
        at = len(pieces)
    if brackets:
        opening = brackets[-1][0]
        raise fail(f"{opening.text} is never closed.", formula, opening.start, opening.end)
    if bar is not None:
        name = f"{bar[1]}(...)" if bar[1] else "brackets"
        kinds = f"; covariance structures are {', '.join(known())}" if bar[1] else ""
        raise fail(
            f"a bar inside {name}: a random-effects term is a summand of its own, as in + (1 | g), "
            f"and a logical or is written I(a | b){kinds}.",
            formula,
            bar[0].start,
            bar[0].end,
        )
    return at - first


def _structure(formula: str, pieces: list[Token], first: int) -> tuple[Token, list[Token]] | None:
    """Read a covariance structure around a bar, if one begins here.

    Return its token and all pieces without those of its options.
    """
    name = pieces[first]
    if name.kind != "name" or name.text not in known():
        return None
    if [piece.text for piece in pieces[first + 1 : first + 2]] != ["("]:
        return None
    depth, bar, comma = 0, False, None
    for at in range(first + 1, len(pieces)):
        text = pieces[at].text if pieces[at].kind == "op" else ""
        depth += (text in ("(", "[", "{")) - (text in _CLOSES)
        if depth == 1 and text in ("|", "||"):
            bar = True
        elif depth == 1 and text == "," and bar and comma is None:
            comma = at
        elif depth == 0:
            if not bar:
                return None
            stop = at if comma is None else comma
            options = formula[pieces[stop].end : pieces[at].start] if stop < at else ""
            call = f"{name.text}({options.strip()})"
            token = Token("structure", call, name.start, pieces[at].end)
            return token, pieces[:stop] + pieces[at:]
    return None


def _refuse_caret(formula: str, piece: Token) -> None:
    """Refuse what Python would take for an exclusive "or" and R for a power."""
    if piece.text == "^":
        message = "in Python code the power is written **, as in I(x**2)."
        raise fail(message, formula, piece.start, piece.end)


def _atom(formula: str, pieces: list[Token]) -> Token:
    """Join the pieces of an atom to one token that holds patsy code."""
    start, end = pieces[0].start, pieces[-1].end
    if len(pieces) == 1 and pieces[0].kind == "number":
        return pieces[0]
    if all(piece.kind != "name" or piece.text in _CONSTANTS for piece in pieces):
        message = f"{formula[start:end]} is a constant; a column of that name is written Q(...)."
        raise fail(message, formula, start, end)
    if len(pieces) == 1 and pieces[0].text.isidentifier():
        return Token("atom", quote_column(pieces[0].text), start, end)
    code = pretty_untokenize(_quote_keywords(pieces))
    try:
        python_names(code)
    except SyntaxError:
        raise fail(
            f"{code} is not a Python expression; operators join terms, and a column with an odd "
            'name is written Q("the name").',
            formula,
            start,
            end,
        ) from None
    if any(read_column(call) is None for call in _quotations(code)):
        message = 'Q takes the name of one column as text, as in Q("the name").'
        raise fail(message, formula, start, end)
    return Token("atom", code, start, end)


def call_of(code: str, function: str) -> tuple[str, ...] | None:
    """Return the arguments of an atom that is a call of a function, else None."""
    if not code.startswith(f"{function}("):
        return None
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.keywords:
        return None
    return tuple(_normal(ast.unparse(argument)) for argument in tree.args)


def read_column(code: str) -> str | None:
    """Return the column that ``name`` or ``Q("name")`` is, None for any other code."""
    if code.isidentifier():
        return code
    tree = ast.parse(code, mode="eval").body
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "Q"):
        return None
    name = tree.args[0] if len(tree.args) == 1 and not tree.keywords else None
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def _normal(code: str) -> str:
    """Space code as all atoms are."""
    return quote_column(code) if code.isidentifier() else atoms(f"I({code})")[0][2:-1]


def _quotations(code: str) -> list[str]:
    """List the calls of Q in some code."""
    if "Q(" not in code:
        return []
    calls = (node for node in ast.walk(ast.parse(code, mode="eval")) if isinstance(node, ast.Call))
    return [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "Q"
    ]


def _quote_keywords(pieces: list[Token]) -> list[tuple[int, str]]:
    """Rewrite keywords in places where only a column can be; return Python's tokens."""
    out = []
    after_operand = False
    for at, (kind, text, _, _) in enumerate(pieces):
        before = pieces[at - 1].text if at else ""
        after = pieces[at + 1] if at + 1 < len(pieces) else Token("op", ")", 0, 0)
        operand = kind != "op" or text in _CLOSES
        if kind == "name" and keyword.iskeyword(text) and text not in _CONSTANTS:
            if before == "." or after.text == "=":
                operand = True  # an attribute or an argument: not ours to mend
            elif text in _INFIX_KEYWORDS:
                operand = not after_operand and before != "not"
            elif text == "not":
                operand = after.kind == "op" and after.text not in "([{+-~"
            elif text == "lambda":
                operand = not _binds(pieces[at + 1 :])
            if operand and before != "." and after.text != "=":
                text = quote_column(text)
        out.append((_PYTHON_TYPE[kind], text))
        after_operand = operand
    return out


def _binds(pieces: list[Token]) -> bool:
    """Whether these pieces could be the parameters of a lambda, up to its colon."""
    for kind, text, _, _ in pieces:
        if text == ":":
            return True
        if kind not in ("name", "number") and text not in (",", "=", "*", "**", "/"):
            return False
    return False
