//! Where sections begin, and where they may stand.

use super::*;

fn cut(text: &str) -> Vec<(&str, usize)> {
    Sections::of(text).map(|section| (&text[section.at], section.parts)).collect()
}

fn mistakes(text: &str) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    parse(Path::new("file"), text, &mut mistakes);
    mistakes
}

#[test]
fn a_section_begins_where_a_line_begins_with_its_name_and_nowhere_else() {
    let text = concat!(
        "a = [\n [1],\n[2] ]\n",
        "[b.\"c.d\"] # e\nf.g = '''\n[h]\n'''\r\n  ",
        "[[ i . j ]]\nk = { l = [ ],\n m = \"[\" }\n",
        "[n]",
    );
    let expected = [
        ("a = [\n [1],\n[2] ]\n", 0),
        ("[b.\"c.d\"] # e\nf.g = '''\n[h]\n'''\r\n  ", 2),
        ("[[ i . j ]]\nk = { l = [ ],\n m = \"[\" }\n", 2),
        ("[n]", 1),
    ];
    assert_eq!(cut(text), expected);
    assert_eq!(cut(""), [("", 0)]);
}

#[test]
fn sections_may_stand_where_the_parser_of_whole_documents_lets_them() {
    let parts = [
        "[a]\nx = 1\n",
        "[a]\nb.d = 1\n",
        "[a]\nb = { d = 1 }\n",
        "[a]\nb = [1]\n",
        "[a.b]\nx = 1\n",
        "[a.b.c]\ny = 1\n",
        "[a.b.d]\n",
        "[a.x]\n",
    ];
    let mut good = 0;
    for at in 0..parts.len().pow(3) {
        let [one, two, three] = [1, 8, 64].map(|power| parts[at / power % parts.len()]);
        let text = format!("{one}{two}{three}");
        let (told, whole) = (mistakes(&text), DeTable::parse_recoverable(&text).1);
        assert_eq!(told.is_empty(), whole.is_empty(), "{text}\n{told:?}\n{whole:?}");
        good += usize::from(told.is_empty());
    }
    assert!(0 < good, "some may");
}

#[test]
fn a_section_that_stands_twice_is_told_with_both_places() {
    let told = mistakes("[a]\n\n[b]\n[a]\n");
    let [Mistake { place, message }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&**place, &**message),
        ("file:4", "a is given twice, first in line 1: keep one of the two")
    );
}

#[test]
fn a_mistake_in_one_section_keeps_no_other_from_being_read() {
    let mut told = Vec::new();
    let tree = parse(Path::new("file"), "[a]\nb = \n[c]\nd = 1 1\n[e]\nf = 1\n", &mut told);
    assert_eq!(
        told.iter().map(|mistake| &*mistake.place).collect::<Vec<_>>(),
        ["file:2", "file:4"]
    );
    let Value::Table(e) = &tree["e"].value else { panic!("a table") };
    assert!(matches!(e["f"].value, Value::Number(1)));
}
