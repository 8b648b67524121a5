//! What the pattern parser reads, and what it says of what it cannot read.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;

fn shown(text: &str) -> String {
    let parsed = parse(text).unwrap();
    parsed.pattern.display(&parsed.names())
}

#[test]
fn every_construct_is_read() {
    for (text, expected) in [
        ("a", "A"),
        ("A B$", "A B $"),
        ("^A", "^ A"),
        ("A??", "A??"),
        ("A*? B+? C{2}? D{2,}? E{,3}? F{,} G{4,5}", "A*? B+? C{2}? D{2,}? E{0,3}? F* G{4,5}"),
        ("()", "()"),
        ("(A | ()) B", "(A | ()) B"),
        ("{-A-} {- B* | C -}+", "{- A -} {- B* | C -}+"),
        ("permute ( A , B C | D )", "PERMUTE(A, B C | D)"),
        ("permute", "\"PERMUTE\""),
        ("\"permute\"(A)", "\"permute\" A"),
        ("\"a\"\"b\" `c d`", "\"a\"\"b\" \"c d\""),
        ("A -- one ) | \n B /* two /* nested */ ( */ C", "A B C"),
        ("A--", "A"),
        ("((((A))))", "A"),
        ("größe ÉTÉ", "GRÖSSE ÉTÉ"),
        ("A\r\n\tB", "A B"),
        ("A{ 2 , 3 } ?", "A{2,3}?"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn variables_are_numbered_by_first_appearance() {
    let parsed = parse("b (A | b) \"b\"").unwrap();
    assert_eq!(parsed.names(), ["B", "A", "b"]);
    assert_eq!(parsed.variables[1].span, 3..4);
    assert_eq!(parsed.pattern.symbols(), crate::SymbolSet::all(3));
}

#[test]
fn places_of_what_may_be_refused_are_kept() {
    let parsed = parse("^ {- A -} PERMUTE(B, C) $").unwrap();
    assert_eq!(parsed.exclusions, std::iter::once(2..9).collect::<Vec<_>>());
    assert_eq!(parsed.permutes, std::iter::once(10..23).collect::<Vec<_>>());
    assert_eq!(parsed.anchors, [(Edge::Start, 0..1), (Edge::End, 24..25)]);
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    for (text, message, span) in [
        ("", "the pattern is empty: write PATTERN (()) for the pattern without rows", 0..0),
        ("  -- A", "the pattern is empty: write PATTERN (()) for the pattern without rows", 0..6),
        ("A |", "expected a variable, `(`, `^`, `$`, `{-` or PERMUTE, found the end of the pattern", 3..3),
        ("| A", "a pattern is missing before `|`: write () for the pattern without rows", 0..1),
        ("(A | )", "a pattern is missing before `)`: write () for the pattern without rows", 5..6),
        ("A**", "a quantifier cannot follow a quantifier: put parentheses around what is repeated", 2..3),
        ("A???", "a quantifier cannot follow a quantifier: put parentheses around what is repeated", 3..4),
        ("A{2}{3}", "a quantifier cannot follow a quantifier: put parentheses around what is repeated", 4..5),
        ("* A", "the quantifier `*` has no pattern before it", 0..1),
        ("A | {2}", "the quantifier `{` has no pattern before it", 4..5),
        ("A{0}", "a pattern cannot be repeated zero times: leave it out", 1..4),
        ("A{,0}", "a pattern cannot be repeated zero times: leave it out", 1..5),
        ("A{3,2}", "the lower bound 3 is greater than the upper bound 2: write {2,3}", 1..6),
        ("A{2147483648}", "a quantifier's bound is at most 2147483647: 2147483648 is too large", 2..12),
        (
            "A{99999999999999999999,}",
            "a quantifier's bound is at most 2147483647: 99999999999999999999 is too large",
            2..22,
        ),
        ("A{}", "expected a number or a comma, found `}`", 2..3),
        ("A{2", "expected `}`, found the end of the pattern", 3..3),
        ("A{2;}", "`;` has no meaning in a row pattern", 3..4),
        ("A{-1}", "a quantifier's bound cannot be negative", 1..3),
        ("A{x}", "expected a number or a comma, found X", 2..3),
        ("(A", "`(` is not closed: `)` is missing", 0..1),
        ("A)", "this `)` closes nothing", 1..2),
        ("{- A", "`{-` is not closed: `-}` is missing", 0..2),
        ("A -}", "this `-}` closes nothing", 2..4),
        ("{- A )", "expected a variable, `(`, `|` or `-}`, found `)`", 5..6),
        ("{- -}", "a pattern is missing before `-}`: write () for the pattern without rows", 3..5),
        (
            "A, B",
            "a comma stands between patterns only inside PERMUTE(…): variables in sequence are separated by blanks",
            1..2,
        ),
        ("PERMUTE()", "PERMUTE needs at least one pattern", 0..7),
        ("PERMUTE(A,)", "a pattern is missing before `)`: write () for the pattern without rows", 10..11),
        ("PERMUTE(A B", "`(` is not closed: `)` is missing", 7..8),
        ("\"A", "this name has no end: `\"` is missing", 0..2),
        ("A \"\"", "a quoted name must not be empty", 2..4),
        ("A /* b", "this comment has no end: `*/` is missing", 2..6),
        ("A 2", "expected a variable, `(`, `|` or the end of the pattern, found 2", 2..3),
        ("A - B", "`-` has no meaning in a row pattern", 2..3),
        ("A é;", "`;` has no meaning in a row pattern", 4..5),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.span), (message, span), "{text}");
    }
}

#[test]
fn nesting_and_variables_are_bounded() {
    let deep = format!("{}A{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(parse(&deep).unwrap_err().message, "the pattern nests deeper than 128 levels");
    let many: Vec<String> = (0..65).map(|index| format!("v{index}")).collect();
    let error = parse(&many.join(" ")).unwrap_err();
    assert_eq!(error.message, "a pattern has at most 64 variables: V64 is one too many");
    assert!(parse(&many[..64].join(" ")).is_ok());
}
