//! Plain words: the text of the project has the field's terms, not the phrases of `tests/words/phrases.tsv`.

use std::fs;
use std::path::{Path, PathBuf};

/// Where text is: folders, of which the files with these endings are read, and single files.
const PLACES: &str =
    "src tests examples benches fuzz notebooks docs figures README.md CONTRIBUTING.md CHANGELOG.md course";
const ENDINGS: [&str; 5] = ["rs", "md", "py", "sh", "ipynb"];
/// Folders without text of the project.
const SKIPPED: [&str; 4] = ["target", "corpus", "words", ".ipynb_checkpoints"];

/// A phrase, and what to write.
fn phrases() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("words/phrases.tsv").lines().map(|line| line.split_once('\t').expect(line))
}

fn texts(path: &Path, found: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        found.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        let has_text = path.extension().is_some_and(|ending| ENDINGS.iter().any(|e| ending == *e));
        if path.is_dir() && !SKIPPED.contains(&&*name) || has_text && name != "words.rs" {
            texts(&path, found);
        }
    }
}

/// Each phrase found in a text, with its line. Comment marks and line breaks do not part a phrase, and `_` is a space.
fn hits(text: &str, place: &str) -> Vec<String> {
    let (mut joined, mut starts) = (String::new(), Vec::new());
    for line in text.lines() {
        starts.push(joined.len());
        let words = line.trim().trim_start_matches(['/', '!', '#', '*']).trim_end_matches('\\').trim();
        joined += &words.to_lowercase().replace('_', " ");
        joined.push(' ');
    }
    let ends = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let mut found = Vec::new();
    for (phrase, instead) in phrases() {
        for (at, _) in joined.match_indices(phrase) {
            if ends(joined[..at].chars().next_back()) && ends(joined[at + phrase.len()..].chars().next()) {
                let line = starts.partition_point(|start| *start <= at);
                found.push(format!("{place}:{line}: '{phrase}'; write: {instead}"));
            }
        }
    }
    found
}

#[test]
fn a_phrase_of_the_list_is_found_across_lines_and_in_names() {
    assert_eq!(hits("a\n/// The Winner, by\n/// lot", "a.rs").len(), 2);
    assert_eq!(hits("fn held_against_it()", "a.rs"), ["a.rs:1: 'held against'; write: compared with"]);
    assert!(hits("winners; held again", "a.rs").is_empty());
}

#[test]
fn the_text_has_the_terms_of_the_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    PLACES.split(' ').for_each(|place| texts(&root.join(place), &mut files));
    assert!(files.len() > 400, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let place = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        if file.extension().is_none_or(|ending| ending != "ipynb") {
            found.extend(hits(&text, &place));
            continue;
        }
        let notebook: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (n, cell) in notebook["cells"].as_array().unwrap().iter().enumerate() {
            let lines: String =
                cell["source"].as_array().unwrap().iter().filter_map(|l| l.as_str()).collect();
            found.extend(hits(&lines, &format!("{place}, cell {n}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
