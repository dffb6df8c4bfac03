//! XML of a bounded size and depth.
//!
//! `roxmltree` expands no entities of the document's own, but descends by recursion: depth is bounded before it starts.

use std::path::Path;

use roxmltree::{Document, ParsingOptions};

use crate::error::on_one_line;
use crate::{Error, Result};

/// Elements within each other at most.
const DEEPEST: usize = 100;
/// Bytes of a document at most: in memory, elements and attributes take some ten times as many.
pub(super) const LONGEST: usize = 64 << 20;

/// The document in the text of a file.
///
/// # Errors
/// A text that is too long, too deep or no XML.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<Document<'a>> {
    let advice = "save it again with the program that made it, or get it again";
    document(text).map_err(|problem| Error::file(path, problem, advice))
}

/// The document in a text, or what is wrong with it.
pub(super) fn document(text: &str) -> std::result::Result<Document<'_>, String> {
    if text.len() > LONGEST {
        return Err(format!("more than {LONGEST} bytes of XML"));
    }
    if depth(text) > DEEPEST {
        return Err(format!("elements nested more than {DEEPEST} deep"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 1 << 24 };
    Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|error| format!("it is not XML ({})", on_one_line(&error.to_string())))
}

/// How deep elements are nested in a well-formed text; at least that deep in any other that a parser goes down into.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut rest) = (0_usize, 0, text);
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let skipped = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        if let Some((_, end)) = skipped.iter().find(|(begin, _)| rest.starts_with(begin)) {
            let Some(end) = rest.find(end) else { break };
            rest = &rest[end..];
            continue;
        }
        if rest.starts_with('/') {
            depth = depth.saturating_sub(1);
            continue;
        }
        depth += 1;
        deepest = deepest.max(depth);
        // The end of the tag is not within a quoted value.
        let mut quote = None;
        let end = rest.char_indices().find(|&(_, c)| {
            if quote == Some(c) {
                quote = None;
            } else if quote.is_none() && (c == '"' || c == '\'') {
                quote = Some(c);
            }
            quote.is_none() && c == '>'
        });
        let Some((end, _)) = end else { break };
        if rest[..end].ends_with('/') {
            depth -= 1;
        }
        rest = &rest[end..];
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_elements_but_not_what_stands_in_comments_and_values() {
        assert_eq!(depth("<?xml version='1.0'?><a><b x='<>/'/><!-- <c><d> --><c><d/></c></a>"), 3);
        assert_eq!(depth("<a><![CDATA[<b><c>]]></a>"), 1);
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
