//! `lcz completions` and `lcz man`: shell completions and manual pages.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::{Context, command, output};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz completions bash > ~/.local/share/bash-completion/completions/lcz
  lcz completions zsh > ~/.zfunc/_lcz")]
pub struct Completions {
    /// Shell
    shell: Shell,
}

impl Completions {
    pub fn run(self, _: &mut Context) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "lcz", &mut script);
        let written = stdout().write_all(&script);
        Ok(written.map_err(lcz::Error::io(Path::new("standard output")))?)
    }
}

/// Write manual pages
///
/// One page per command: lcz.1, lcz-train.1, ...
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz man ~/.local/share/man/man1")]
pub struct Man {
    /// Folder of the pages
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub fn run(self, _: &mut Context) -> anyhow::Result<()> {
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            clap_mangen::generate_to(command(), &self.folder)
        };
        write().map_err(lcz::Error::io(&self.folder))?;
        output::line(format!("{}: manual pages; to read one: man lcz-train", self.folder.display()))
    }
}
