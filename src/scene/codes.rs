//! Tables of codes: which code of a land-cover map belongs to which class.

use std::collections::BTreeMap;
use std::path::Path;

use super::layer::Value;
use crate::files::{csv_rows, read_text};
use crate::{Classes, Error, Result};

/// The 27 classes of the Urban Atlas 2018 (European Environment Agency, mapping guide), with the group that
/// the first digit of the code tells.
const URBAN_ATLAS: [(u32, &str); 27] = [
    (11100, "continuous urban fabric"),
    (11210, "discontinuous dense urban fabric"),
    (11220, "discontinuous medium density urban fabric"),
    (11230, "discontinuous low density urban fabric"),
    (11240, "discontinuous very low density urban fabric"),
    (11300, "isolated structures"),
    (12100, "industrial, commercial, public, military and private units"),
    (12210, "fast transit roads and associated land"),
    (12220, "other roads and associated land"),
    (12230, "railways and associated land"),
    (12300, "port areas"),
    (12400, "airports"),
    (13100, "mineral extraction and dump sites"),
    (13300, "construction sites"),
    (13400, "land without current use"),
    (14100, "green urban areas"),
    (14200, "sports and leisure facilities"),
    (21000, "arable land"),
    (22000, "permanent crops"),
    (23000, "pastures"),
    (24000, "complex and mixed cultivation patterns"),
    (25000, "orchards"),
    (31000, "forests"),
    (32000, "herbaceous vegetation associations"),
    (33000, "open spaces with little or no vegetation"),
    (40000, "wetlands"),
    (50000, "water"),
];
/// The groups of the Urban Atlas, by the first digit.
const GROUPS: [&str; 5] = ["artificial surfaces", "agricultural areas", "natural areas", "wetlands", "water"];

/// Which code means which class; a code may mean none (background).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    classes: Classes,
    table: BTreeMap<String, Option<usize>>,
}

impl Codes {
    /// The 27 classes of the Urban Atlas.
    pub fn urban_atlas() -> Self {
        let table = URBAN_ATLAS.iter().enumerate().map(|(k, (code, _))| (code.to_string(), Some(k)));
        let classes = named(URBAN_ATLAS.map(|(_, name)| name));
        Self { classes, table: table.collect() }
    }

    /// The five groups of the Urban Atlas: artificial, agricultural and natural areas, wetlands, water.
    pub fn urban_atlas_groups() -> Self {
        let group = |code: u32| Some(code as usize / 10_000 - 1);
        let table = URBAN_ATLAS.iter().map(|&(code, _)| (code.to_string(), group(code)));
        let classes = named(GROUPS);
        Self { classes, table: table.collect() }
    }

    /// Reads a table: a CSV whose first column is a code and whose second the name of its class, empty or 0 for
    /// background; classes are numbered in the order in which they first come. A first line `code,class` is a header.
    ///
    /// # Errors
    /// A file that cannot be read, a line that is not a pair, a code given twice, no class (names the line).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (mut names, mut table): (Vec<String>, _) = (Vec::new(), BTreeMap::new());
        for (number, fields) in csv_rows(&read_text(path)?, path)? {
            if number == 1 && &fields[0] == "code" {
                continue;
            }
            let refuse = |problem: String| {
                let place = format!("{}, line {number}", path.display());
                let advice = "write a code and its class, such as 11100,built or 11100,\"built, dense\"";
                Error::input(place, problem, advice)
            };
            let &[code, class] = &fields.iter().collect::<Vec<_>>()[..] else {
                return Err(refuse(format!("{} fields, not a code and a class", fields.len())));
            };
            let class = match class {
                "" | "0" => None,
                name => Some(names.iter().position(|known| known == name).unwrap_or_else(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                })),
            };
            if table.insert(code.to_owned(), class).is_some() {
                return Err(refuse(format!("code {code} is there already")));
            }
        }
        let classes = Classes::named(names).map_err(|error| error.within(path))?;
        Ok(Self { classes, table })
    }

    /// The classes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The class that an attribute means, none for background; if it is not in the table, what it is.
    pub(super) fn class_of(&self, value: &Value) -> std::result::Result<Option<usize>, String> {
        let (code, shown) = match value {
            Value::Empty => return Ok(None),
            Value::Number(number) => (number.to_string(), number.to_string()),
            Value::Text(text) => (text.clone(), format!("'{text}'")),
        };
        match self.table.get(&code) {
            Some(class) => Ok(*class),
            None if code == "0" => Ok(None),
            None => Err(shown),
        }
    }
}

/// Classes of the tables above.
fn named<const N: usize>(names: [&str; N]) -> Classes {
    Classes::named(names).expect("each has a name of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urban_atlas_has_27_codes_in_five_groups() {
        let (all, groups) = (Codes::urban_atlas(), Codes::urban_atlas_groups());
        assert_eq!((all.classes().len(), groups.classes().len()), (27, 5));
        let of = |codes: &Codes, code: &str| {
            let class = codes.class_of(&Value::Text(code.to_owned())).unwrap().unwrap();
            codes.classes().code(class).to_owned()
        };
        assert_eq!(of(&all, "14100"), "green urban areas");
        assert_eq!(of(&groups, "14100"), "artificial surfaces");
        assert_eq!(of(&groups, "25000"), "agricultural areas");
        assert_eq!(of(&groups, "50000"), "water");
        assert_eq!(all.class_of(&Value::Number(11100.0)), Ok(Some(0)));
        assert_eq!(all.class_of(&Value::Text("99999".to_owned())), Err("'99999'".to_owned()));
    }

    #[test]
    fn a_table_groups_codes_and_names_the_line_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Codes::read(&path)
        };
        let codes =
            read("code,class\n11100,built\n# roads\n12220,0\n31000,\"green, wet\"\n14100,\"green, wet\"\n12230,built\n")
                .unwrap();
        assert_eq!(codes.classes().codes(), ["built", "green, wet"]);
        let class = |code: f64| codes.class_of(&Value::Number(code));
        assert_eq!(
            [11100.0, 12220.0, 31000.0, 14100.0].map(class),
            [Ok(Some(0)), Ok(None), Ok(Some(1)), Ok(Some(1))]
        );
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(
            told("11100,built\n11100,green\n").contains("codes.csv, line 2: code 11100 is there already")
        );
        assert!(told("11100 built\n").contains("line 1: 1 fields, not a code and a class"));
        assert!(told("11100,0\n").contains("no class"));
    }
}
