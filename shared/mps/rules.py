"""The conditional node `action-exec-rules` (MPS_API §6.1), with our members `Expression` and `ElseRearDriveIndexs`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.conditions import Expression, ExpressionError, Path, Scope, Shape, check, parse, shape_of
from shared.conditions.syntax import quoted
from shared.model.pipeline import Node
from shared.mps import quality
from shared.mps.base import MpsModel
from shared.mps.not_yet import NOT_YET
from shared.mps.quality_control import CHECKED
from shared.mps.scope import ROOTS, ancestors

MAX_RULES = 100
MAX_CONDITIONS = 50
MAX_EXPLANATION = 1000
"""Characters of what a choice says about itself; it is kept in the run."""

_VALUE = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*(.*?)\s*", re.DOTALL)
_NEVER_FOUND = quality.ITEMS - CHECKED
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")

Indexes = list[Annotated[int, Field(ge=0)]]


def _once(indexes: list[int] | None) -> list[int] | None:
    if indexes is not None and len(set(indexes)) < len(indexes):
        raise ValueError("names the same index twice")
    return indexes


class RuleConditionItem(MpsModel):
    """One condition of the contract: a quality-control item or `MetaData.<member>`, and in `Value` an operator
    (`==` if there is none) with a literal [OURS]."""

    key: str = Field(max_length=256)
    value: str = Field(max_length=512)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.to_expression()
        return self

    def to_expression(self) -> Expression:
        """The condition in our own language. Raises ValueError."""
        path = self._path()
        match = _VALUE.fullmatch(self.value)
        operator, text = (match[1] or "==", match[2]) if match else ("==", "")
        if not text:
            raise ValueError("Value has no literal: write for example >=60")
        if self.key in quality.ITEMS and text in ("true", "false"):
            if operator not in ("==", "!="):
                raise ValueError(f"Value: {text} cannot be compared by {operator}")
            found = (text == "true") is (operator == "==")
            return parse(f"{path} > 0" if found else f"{path} == 0")
        try:
            return parse(f"{path} {operator} {_literal(text, shape_of(path, ROOTS))}")
        except ExpressionError as error:
            raise ValueError(f"Value: {error.reason}") from None

    def _path(self) -> Path:
        try:
            expression = parse(self.key)
            path = expression.tree
            if not isinstance(path, Path) or (path.root != "MetaData" and path.root not in quality.SHAPES):
                raise ValueError("Key is neither a quality-control item nor MetaData.<member>")
            check(expression, nodes=(), roots=ROOTS)
        except ExpressionError as error:
            raise ValueError(f"Key: {error}") from None
        return path


class Rule(MpsModel):
    """One rule (the contract calls the structure `Rules`): conditions or an expression, and where to go if it holds."""

    id: str = Field(min_length=1, max_length=64)
    conditions: list[RuleConditionItem] | None = Field(default=None, max_length=MAX_CONDITIONS)
    linker: Literal["&&", "||", ""] | None = None
    rear_drive_indexs: Indexes = Field(min_length=1)
    expression: str | None = None

    _single = field_validator("rear_drive_indexs")(_once)

    @field_validator("expression")
    @classmethod
    def _well_formed(cls, value: str | None) -> str | None:
        if value:
            parse(value)
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.conditions) is bool(self.expression):
            what = "has both Conditions and Expression" if self.expression else "has neither Conditions nor Expression"
            raise ValueError(f"rule {self.id!r} {what}: give one of them")
        if self.conditions and len(self.conditions) > 1 and not self.linker:
            raise ValueError(f"rule {self.id!r} has several Conditions and needs a Linker, && or ||")
        if self.expression and self.linker:
            raise ValueError(f"rule {self.id!r}: Linker joins Conditions; write and or or in the Expression")
        return self

    @property
    def parts(self) -> list[tuple[str, Expression]]:
        """The expression, or each condition as one, with the member it comes from."""
        if self.expression:
            return [("Expression", parse(self.expression))]
        return [(f"Conditions[{at}].Key", each.to_expression()) for at, each in enumerate(self.conditions or ())]

    def holds(self, scope: Scope) -> tuple[bool, tuple[str, ...]]:
        """Whether the rule holds, and the reasons."""
        found = [expression.explain(scope) for _, expression in self.parts]
        either = self.linker == "||"
        decisive = [each for each in found if each.holds is either]
        held = either if decisive else not either
        counted = decisive[:1] or found
        return held, tuple(reason for each in counted for reason in each.reasons)


class ExecRulesTask(MpsModel):
    """Parameters of the node. `ElseRearDriveIndexs` are taken when no rule holds; without them nothing is."""

    rules: list[Rule] = Field(min_length=1, max_length=MAX_RULES)
    else_rear_drive_indexs: Indexes | None = None

    _single = field_validator("else_rear_drive_indexs")(_once)

    @model_validator(mode="after")
    def _different_ids(self) -> Self:
        seen: set[str] = set()
        for at, rule in enumerate(self.rules):
            if rule.id in seen:
                raise ValueError(f"Rules[{at}].Id: {rule.id!r} is the name of an earlier rule")
            seen.add(rule.id)
        return self


class ExecRuleTaskData(MpsModel):
    """`Output` of the node: the indexes that were chosen."""

    rear_drive_index: list[int]


@dataclass(frozen=True, slots=True)
class Choice:
    """What the rules came to: the successors to run, ascending; the ids of the rules that held; and why."""

    chosen: tuple[int, ...]
    held: tuple[str, ...]
    explanation: str

    @property
    def payload(self) -> dict[str, object]:
        """`Output` of the node's result."""
        return ExecRuleTaskData(rear_drive_index=list(self.chosen)).to_wire()


def choose(task: ExecRulesTask, scope: Scope) -> Choice:
    """The successors of all rules that hold together, or else those of the else branch. Pure and total."""
    chosen: set[int] = set()
    held: list[str] = []
    lines: list[str] = []
    for rule in task.rules:
        holds, reasons = rule.holds(scope)
        if holds:
            chosen.update(rule.rear_drive_indexs)
            held.append(rule.id)
        lines.append(f"rule {rule.id} {'holds' if holds else 'does not hold'}: {'; '.join(reasons)}")
    if not held:
        chosen.update(task.else_rear_drive_indexs or ())
        lines.append("no rule holds: " + ("the else branch is taken" if chosen else "there is no else branch"))
    text = "\n".join(lines)
    if len(text) > MAX_EXPLANATION:
        text = text[: MAX_EXPLANATION - 1] + "…"
    return Choice(tuple(sorted(chosen)), tuple(held), text)


def check_rules(task: ExecRulesTask, node: int, nodes: Sequence[Node], before: Collection[int] | None = None) -> None:
    """What can only be seen in the graph: that the indexes are successors of the node, that every successor can be
    chosen, and that expressions ask only of what comes before (`before`, if the caller knows it already). Raises
    ValueError naming member and rule."""
    successors = set(nodes[node].successors)
    before = ancestors(nodes, node) if before is None else before
    names = {name for index in before if (name := nodes[index].name)}
    measured = any(nodes[index].kind == quality.KIND for index in before)
    reachable: set[int] = set()
    for at, rule in enumerate(task.rules):
        field = f"Rules[{at}]"
        _check_indexes(f"{field}.RearDriveIndexs (rule {rule.id!r})", rule.rear_drive_indexs, successors)
        reachable.update(rule.rear_drive_indexs)
        for member, expression in rule.parts:
            try:
                check(expression, nodes={*before, *names}, roots=ROOTS)
            except ExpressionError as error:
                raise ValueError(f"{field}.{member} (rule {rule.id!r}): {error}") from None
            never_found = next((path.root for path in expression.paths if path.root in _NEVER_FOUND), None)
            if never_found:
                # Its value would be 0, which reads as "looked for and not found".
                raise ValueError(f"{field}.{member} (rule {rule.id!r}): {never_found} {NOT_YET}")
            asked = next((path.root for path in expression.paths if path.root in quality.SHAPES), None)
            if asked and not measured:
                reason = f"{asked} needs a quality-control node before this one"
                raise ValueError(f"{field}.{member} (rule {rule.id!r}): {reason}")
    _check_indexes("ElseRearDriveIndexs", task.else_rear_drive_indexs or [], successors)
    never = successors - reachable - set(task.else_rear_drive_indexs or ())
    if never:
        raise ValueError(f"Rules: successor {min(never)} is chosen by no rule and not by ElseRearDriveIndexs")


def _check_indexes(field: str, indexes: Sequence[int], successors: set[int]) -> None:
    for index in indexes:
        if index not in successors:
            known = ", ".join(map(str, sorted(successors)))
            raise ValueError(f"{field}: {index} is not a successor of this node (they are {known or 'none'})")


def _literal(text: str, shape: Shape) -> str:
    """The literal as the key's kind demands; quotes are optional for a text."""
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    match shape:
        case "number" if not _NUMBER.fullmatch(text):
            raise ValueError(f"Value: {text[:40]!r} is not a number")
        case "truth value" if text not in ("true", "false"):
            raise ValueError(f"Value: {text[:40]!r} is neither true nor false")
        case "number" | "truth value":
            return text
        case "text":
            return quoted(bare)
        case _:
            raise ValueError("Key names a list or an object, not a value")
