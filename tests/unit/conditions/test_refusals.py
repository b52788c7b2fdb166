"""What is refused at save, where, and with which words."""

from __future__ import annotations

import time

import pytest

from shared.conditions import ExpressionError, check, parse

MALFORMED = [
    ("", "line 1, column 1: is empty"),
    (" \n ", "line 1, column 1: is empty"),
    ("1 < 2 < 3", "line 1, column 7: unexpected '<': comparisons cannot be chained: join two with and"),
    ("a = 3", "line 1, column 3: unexpected '=': write == to compare"),
    ("a & b", "line 1, column 3: unexpected '&': write && or and"),
    ("(a == 1", "line 1, column 8: ends too early: something is missing here"),
    ("not", "line 1, column 4: ends too early: something is missing here"),
    ("a == 1)", "line 1, column 7: unexpected ')'"),
    ('"abc', "line 1, column 1: unexpected '\"': the text has no end"),
    ("a == “x”", "line 1, column 6: unexpected '“': write straight quotes"),
    ("a == 1\nand\n  b == 2 or or", "line 3, column 13: unexpected 'or'"),
    ("9**9", "line 1, column 3: unexpected '*'"),
    ("a matches 'x'", "line 1, column 3: unexpected 'matches'"),
    ("nodes[3]..x == 1", "line 1, column 9: unexpected '.'"),
    ("a[-1] == 1", "line 1, column 2: unexpected '['"),
    ("a[1234567890] == 1", "line 1, column 3: the index is too big"),
    ("1e999 < a", "line 1, column 1: the number is too big or too long"),
    ("a == 9223372036854775809", "line 1, column 6: the number is too big or too long"),
    ("9" * 1900 + " == a", "line 1, column 1: the number is too big or too long"),
    ("5", "line 1, column 1: a number is not a condition: compare it with something"),
    ("a and (b or 3)", "line 1, column 13: a number is not a condition: compare it with something"),
    ('1 == "x"', "line 1, column 3: a number is never comparable with a text"),
    ("true < a", "line 1, column 6: a truth value cannot be compared by <"),
    ("[1] == a", "line 1, column 5: a list cannot be compared by =="),
    ("a in 5", "line 1, column 3: in needs a list or a text, not a number"),
    ("5 in 'abc'", "line 1, column 3: a number cannot be in a text"),
    ("'a' + 1 == b", "line 1, column 1: a number is needed here, not a text"),
    ("a < null", "line 1, column 3: null can only be compared by == and !=, not by <"),
    ("null == null", "line 1, column 6: null can only be compared with a path"),
    ("a in [1, null]", "line 1, column 10: a null cannot be an item of a list"),
    ("exist(a)", "line 1, column 1: unknown function 'exist': did you mean exists?"),
    ("foo(a)", "line 1, column 1: unknown function 'foo': there are exists, len, lower, upper"),
    ("exists(a, b)", "line 1, column 1: exists takes one argument, not 2"),
    ("exists('a')", "line 1, column 8: exists takes a path"),
    ("len(5) > 1", "line 1, column 5: len takes a text or a list"),
    (r"a == '\q'", "line 1, column 7: unknown escape '\\\\q': there are \\\\ \\' \\\" \\n \\r \\t"),
    ("a == '\ud800'", "line 1, column 7: half a character (a lone surrogate)"),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_text_is_refused_with_place_and_reason(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value) == message


DEAR = [
    ("a" * 2001, "line 1, column 2001: costs too much: 2001 characters, at most 2000 are allowed"),
    (
        "(" * 10_000 + "a" + ")" * 10_000,
        "line 1, column 2001: costs too much: 20001 characters, at most 2000 are allowed",
    ),
    ("(" * 33 + "a" + ")" * 33, "line 1, column 33: costs too much: nested deeper than 32"),
    ("(" * 900 + "a" + ")" * 900, "line 1, column 33: costs too much: nested deeper than 32"),
    ("!" * 1999 + "a", "line 1, column 33: costs too much: nested deeper than 32"),
    ("-" * 1990 + "a == 1", "line 1, column 33: costs too much: nested deeper than 32"),
    ("lower(" * 200 + "a" + ")" * 200 + "==''", "line 1, column 193: costs too much: nested deeper than 32"),
    ("a" + "||a" * 600, "line 1, column 1498: costs too much: more than 500 literals, paths and operators"),
    ("a" + ".a" * 40, "line 1, column 65: costs too much: a path of more than 32 steps"),
]


@pytest.mark.parametrize(("text", "message"), DEAR, ids=range(len(DEAR)))
def test_what_costs_too_much_is_refused_at_once(text: str, message: str) -> None:
    parse("a")  # the parser itself is made once
    began = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert time.process_time() - began < 1.0


def test_the_longest_that_is_allowed_is_taken() -> None:
    assert parse("(" * 32 + "a" + ")" * 32).evaluate({"a": True})
    assert parse("a" + "||a" * 498).evaluate({"a": True})


def test_position_line_and_column_agree() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("宽 > 1\nand x = 2")
    assert (caught.value.position, caught.value.line, caught.value.column) == (12, 2, 7)


UNKNOWN = [
    ("Metadata.Width > 1", "line 1, column 1: unknown name 'Metadata': did you mean MetaData?"),
    ("true or zzz", "line 1, column 9: unknown name 'zzz'"),
    (
        "nodes.reviw.suggestion == 'a'",
        "line 1, column 7: 'reviw' is not the name of a node that comes before this one: did you mean review?",
    ),
    (
        "nodes.my.state == 'a'",
        "line 1, column 7: 'my' is not the name of a node that comes before this one: did you mean [\"my-node\"]?",
    ),
    ("nodes[9].state == 'a'", "line 1, column 7: 9 is not the index of a node that comes before this one"),
    ("nodes == 1", "line 1, column 1: say which node: nodes.<name or index>.<member>"),
    ("nodes.review", "line 1, column 1: say what of the node: .state, .error, .Output, ..."),
    ("input.keys == 'a'", "line 1, column 7: unknown member 'keys': did you mean key?"),
    ("input.key.x == 'a'", "line 1, column 11: a text has no member 'x'"),
]


@pytest.mark.parametrize(("text", "message"), UNKNOWN)
def test_paths_that_can_never_have_a_value_are_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(parse(text), nodes=["review", "my-node", 0, 1])
    assert str(caught.value) == message


def test_known_paths_pass() -> None:
    text = (
        'nodes.review.x == 1 and nodes["my-node"].y.z and nodes[1].a and nodes.0.b and input.size > 1 and MetaData.Any'
    )
    check(parse(text), nodes=["review", "my-node", 0, 1])
