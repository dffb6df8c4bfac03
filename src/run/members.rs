//! The members of a deep ensemble: `ensemble.toml` in a run folder.
//!
//! It holds the number of members and, once fitted, the temperature of their mean. Each member is a
//! run of its own, in `member-0`, `member-1`, ….

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config;
use crate::predictions::StoredTemperature;
use crate::{Error, Result, write_whole};

/// Most members: more is a mistyped number.
const MOST: usize = 1_000;

/// `ensemble.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    pub(super) members: usize,
    /// That of the members' mean, if one was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<StoredTemperature>,
}

impl Members {
    /// The members of the ensemble in a folder; None if it holds no ensemble.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let file = file(folder);
        if !file.is_file() {
            return Ok(None);
        }
        let (table, place) = config::load_table(&file)?;
        let members: Self = config::of_table(table, &place)?;
        Self::new(members.members)?;
        Ok(Some(members))
    }

    /// A new ensemble of this size.
    ///
    /// # Errors
    /// Fewer than two members, or too many.
    pub(super) fn new(members: usize) -> Result<Self> {
        if (2..=MOST).contains(&members) {
            return Ok(Self { members, temperature: None });
        }
        let problem = format!("{members} members");
        Err(Error::input("ensemble", problem, format!("choose 2 to {MOST}; 5 are usual")))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_whole(&file(folder), config::to_toml(self)?.as_bytes())
    }
}

/// The folder of a member.
pub(super) fn member(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("member-{number}"))
}

fn file(folder: &Path) -> PathBuf {
    folder.join("ensemble.toml")
}
