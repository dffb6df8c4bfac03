//! XML of a bounded size and depth.
//!
//! `roxmltree` expands no entities of the document's own, but descends by recursion, compares each attribute of an element
//! with all others, and copies the namespaces in scope to each element that declares one: all these are bounded before it starts.

use std::path::Path;

use roxmltree::{Document, ParsingOptions};

use crate::error::on_one_line;
use crate::{Error, Result};

/// Elements within each other at most.
const DEEPEST: usize = 100;
/// Attributes of an element at most, and of a document.
const MOST_ATTRIBUTES: usize = 100;
const MOST_ATTRIBUTES_IN_ALL: usize = 1 << 22;
/// Namespaces in scope at most: a product declares up to ten.
const MOST_NAMESPACES: usize = 32;
/// Elements and texts of a document at most: each takes some 70 bytes.
const MOST_NODES: u32 = 1 << 23;
/// Bytes of a document at most.
pub(super) const LONGEST: usize = 64 << 20;

/// The document in the text of a file.
///
/// # Errors
/// A text that is too long, too deep or no XML.
pub(crate) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>> {
    let advice = "save it again with the program that made it, or get it again";
    document(text).map_err(|problem| Error::file(path, problem, advice))
}

/// The document in a text, or what is wrong with it.
pub(super) fn document(text: &str) -> std::result::Result<Document<'_>, String> {
    if text.len() > LONGEST {
        return Err(format!("more than {LONGEST} bytes of XML"));
    }
    check(text)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES };
    Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|error| format!("it is not XML ({})", on_one_line(&error.to_string())))
}

/// Refuses a text, well-formed or not, in which a parser would go too deep or take too long.
fn check(text: &str) -> std::result::Result<(), String> {
    // Of each open element, how many namespaces are in scope.
    let (mut open, mut rest, mut in_all) = (Vec::new(), text, 0);
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        if let Some((_, end)) = skipped.iter().find(|(begin, _)| rest.starts_with(begin)) {
            let Some(end) = rest.find(end) else { break };
            rest = &rest[end..];
            continue;
        }
        if rest.starts_with('/') {
            open.pop();
            continue;
        }
        // The end of the tag is not within a quoted value.
        let (mut quote, mut attributes) = (None, 0);
        let end = rest.bytes().position(|c| {
            if quote == Some(c) {
                quote = None;
            } else if quote.is_none() && (c == b'"' || c == b'\'') {
                quote = Some(c);
                attributes += 1;
            }
            quote.is_none() && c == b'>'
        });
        let (tag, whole) = end.map_or((rest, false), |end| (&rest[..end], true));
        in_all += attributes;
        let namespaces = open.last().unwrap_or(&0) + tag.matches("xmlns").take(attributes).count();
        if open.len() == DEEPEST {
            return Err(format!("elements nested more than {DEEPEST} deep"));
        }
        if attributes > MOST_ATTRIBUTES {
            return Err(format!("an element of more than {MOST_ATTRIBUTES} attributes"));
        }
        if in_all > MOST_ATTRIBUTES_IN_ALL {
            return Err(format!("more than {MOST_ATTRIBUTES_IN_ALL} attributes"));
        }
        if namespaces > MOST_NAMESPACES {
            return Err(format!("more than {MOST_NAMESPACES} namespaces in each other"));
        }
        if !whole {
            break;
        }
        if !tag.ends_with('/') {
            open.push(namespaces);
        }
        rest = &rest[tag.len()..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_elements_but_not_what_stands_in_comments_and_values() {
        let within =
            |levels: usize, text: &str| check(&("<a>".repeat(levels) + text + &"</a>".repeat(levels)));
        for (text, depth) in [
            ("<?xml version='1.0'?><a><b x='<>/'/><!-- <c><d> --><c><d/></c></a>", 3),
            ("<a><![CDATA[<b><c>]]></a>", 1),
            ("<a></a><a></a><a></a>", 1),
        ] {
            assert_eq!(within(DEEPEST - depth, text), Ok(()), "{text}");
            assert!(within(DEEPEST - depth + 1, text).is_err(), "{text}");
        }
    }

    #[test]
    fn attributes_and_namespaces_for_which_a_parser_takes_hours_are_refused_at_once() {
        let told = |text: &str| document(text).map(|_| ()).unwrap_err();
        let names = |what: &str, count: usize| {
            (0..count).flat_map(|k| [format!(" {what}{k}='>'")]).collect::<String>()
        };
        let wide = |count: usize| format!("<a><b{}/></a>", names("x", count));
        assert!(document(&wide(MOST_ATTRIBUTES)).is_ok());
        assert_eq!(told(&wide(400_000)), "an element of more than 100 attributes");
        let scope =
            |count: usize| format!("<a{}>{}</a>", names("xmlns:n", count), "<b xmlns:z='z'/>".repeat(1000));
        assert!(document(&scope(MOST_NAMESPACES - 1)).is_ok(), "each element may declare one of its own");
        assert_eq!(told(&scope(MOST_NAMESPACES)), "more than 32 namespaces in each other");
        assert_eq!(told(&"<a b=''/>".repeat(MOST_ATTRIBUTES_IN_ALL + 1)), "more than 4194304 attributes");
    }

    #[test]
    fn a_document_that_is_too_deep_or_defines_entities_is_refused_in_words() {
        let told = |text: &str| parse(Path::new("a.kml"), text).unwrap_err().to_string();
        let deep = "<a>".repeat(200_000);
        assert!(told(&deep).starts_with("a.kml: elements nested more than 100 deep; "), "{}", told(&deep));
        let entity = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
        assert!(told(entity).starts_with("a.kml: it is not XML ("), "{}", told(entity));
        assert!(parse(Path::new("a.kml"), "\u{feff}<a/>").is_ok());
    }
}
