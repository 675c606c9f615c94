"""The mutants of a module: its source with one small change each, which a test should notice.

cosmic-ray makes most of them. Ours remove a statement, an element or a returned value, or turn `in`,
`min` and `any` around.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

COMPARISONS = ("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Eq_NotEq", "NotEq_Eq")
COMPARISONS += ("Is_IsNot", "IsNot_Is")
ARITHMETIC = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "Mod_Mul", "BitAnd_BitOr", "BitOr_BitAnd")
OPERATORS = (
    *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ARITHMETIC),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "AddNot", "ReplaceAndWithOr"),
    *("ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceBreakWithContinue"),
    *("ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"),
)
"""Of cosmic-ray's operators those whose mutants are no repetition of another's."""

REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Delete, ast.Continue)
"""Statements without which the code still compiles."""
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
Change = Callable[[Any], tuple[int, str]]
"""Changes a node; returns its line, and the text of what is gone."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed source; `line` and `change` are for people."""

    line: int
    change: str
    source: str


def mutants_of(source: str, only: Collection[str] = ()) -> list[Mutant]:
    """Each mutant once, in the order of lines; `only`: functions and classes to be changed, all by default."""
    original = ast.parse(source)
    places = [node for node in original.body if getattr(node, "name", None) in only]
    spans = [range(node.lineno, (node.end_lineno or 0) + 1) for node in places]
    known = {meaning(original)}
    found = []
    for mutant in (*by_cosmic_ray(source), *by_ours(original)):
        if only and not any(mutant.line in span for span in spans):
            continue
        try:
            meant = meaning(ast.parse(mutant.source))
        except SyntaxError:  # `**values` is no power
            continue
        if meant not in known:
            known.add(meant)
            found.append(mutant)
    return sorted(found, key=lambda mutant: mutant.line)


def meaning(tree: ast.Module) -> str:
    """The code without what has no effect: annotations, which nobody evaluates, and docstrings."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if getattr(node, name, None):
                setattr(node, name, ast.Constant(None))
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [part for part in body if not is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def by_cosmic_ray(source: str) -> Iterator[Mutant]:
    lines = source.splitlines()
    for name in OPERATORS:
        operator, occurrence = get_operator(f"core/{name}")(), 0
        while changed := mutate_code(source, operator, occurrence):
            occurrence += 1
            if name == "ReplaceBinaryOperator_Mul_Div" and "/," in changed and "/," not in source:
                continue  # it takes the star among parameters for a multiplication
            line = next(
                number for number, (a, b) in enumerate(zip(lines, changed.splitlines(), strict=False)) if a != b
            )
            now = changed.splitlines()[line].strip() if name != "RemoveDecorator" else "(nothing)"
            yield Mutant(line + 1, f"{lines[line].strip()}  →  {now}", changed)


def by_ours(tree: ast.Module) -> Iterator[Mutant]:
    """The changes that cosmic-ray does not make."""
    for number, node in enumerate(ast.walk(tree)):
        for word, change in changes(node):
            changed = copy.deepcopy(tree)
            twin = next(other for place, other in enumerate(ast.walk(changed)) if place == number)
            line, text = change(twin)
            yield Mutant(line, f"{word} {text}", ast.unparse(changed))


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """How a node may be changed: a word for it, and the function that does it to a copy of the node."""
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        for place, part in enumerate(statements if isinstance(statements, list) else ()):
            if isinstance(part, REMOVABLE) and not is_text(part):
                yield "without", lambda twin, field=field, place=place: without_statement(getattr(twin, field), place)
    if isinstance(node, ast.Set | ast.Dict | ast.Tuple | ast.List) and not is_target(node):
        for place in range(len(node.keys if isinstance(node, ast.Dict) else node.elts)):
            yield "without", lambda twin, place=place: without_element(twin, place)
    if isinstance(node, ast.Name) and node.id in OPPOSITES:
        yield "opposite of", turned
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        yield "opposite of", turned_around
    if isinstance(node, ast.Return) and not (node.value is None or is_none(node.value)):
        yield "None returned, not", returning_none


def turned(node: ast.Name) -> tuple[int, str]:
    removed, node.id = node.id, OPPOSITES[node.id]
    return node.lineno, removed


def turned_around(node: ast.Compare) -> tuple[int, str]:
    text = ast.unparse(node)
    node.ops[0] = ast.NotIn() if isinstance(node.ops[0], ast.In) else ast.In()
    return node.lineno, text


def is_target(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def without_statement(body: list[ast.stmt], place: int) -> tuple[int, str]:
    removed = body[place]
    body[place] = ast.copy_location(ast.Pass(), removed)
    return removed.lineno, ast.unparse(removed)


def without_element(node: ast.Dict | ast.List, place: int) -> tuple[int, str]:
    if isinstance(node, ast.Dict):
        key, value = node.keys.pop(place), node.values.pop(place)
        return value.lineno, f"{ast.unparse(key)}: {ast.unparse(value)}" if key else f"**{ast.unparse(value)}"
    removed = node.elts.pop(place)
    return removed.lineno, ast.unparse(removed)


def returning_none(node: ast.Return) -> tuple[int, str]:
    assert node.value
    removed, node.value = node.value, None
    return node.lineno, ast.unparse(removed)
