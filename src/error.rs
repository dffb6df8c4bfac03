//! The one error type: each message is one line: where, what, and what to do.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What can go wrong, with where it went wrong and what to do about it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, dataset, row or setting that cannot be used as it is.
    ///
    /// Rows of arrays and HDF5 datasets, samples and patches count from 0, as in Rust and h5py; lines of text files from 1, as
    /// in an editor.
    ///
    /// Displays as `place: problem; advice`, for example
    /// `data/training.h5: no dataset 'sen2' (found: sen1, label); see docs/file-formats.md, "Patches"`.
    #[error("{place}: {problem}; {advice}")]
    Input {
        /// The kind, for programs.
        kind: InputKind,
        /// The file, dataset and row, or the setting.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What the user can do next.
        advice: String,
    },
    /// The operating system refused to read or write a file.
    #[error("{}: {source}; {}", path.display(), advice_on(source.kind()))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The loss stopped being a finite number during training.
    #[error(
        "training diverged in epoch {epoch}, batch {batch}: the loss is {loss}; lower learning_rate or check the pixels"
    )]
    Diverged {
        /// Epoch, counted from 1.
        epoch: usize,
        /// Batch in that epoch, counted from 1.
        batch: usize,
        /// The loss that was met.
        loss: f64,
    },
    /// The observer of the work stopped it ([`Progress::interrupted`](crate::Progress::interrupted)).
    #[error("interrupted {place}")]
    Interrupted {
        /// How far it had come.
        place: String,
    },
    /// An error of code outside of this crate, such as a [`Classifier`](crate::models::Classifier) or an
    /// [`Observer`](crate::Observer) of one's own: [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// A numerical library failed (memory, or a broken invariant): not a user's mistake.
    #[error("{what} failed: {detail}; please report this with the command that was run")]
    Internal {
        /// The operation.
        what: &'static str,
        /// The library's own words.
        detail: String,
    },
}

/// As it displays: what a program prints whose `main` returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of input cannot be used, for a program that is to act on it: messages are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputKind {
    /// A requested band that does not exist: its name.
    MissingBand(String),
    /// A file or folder that exists where one is to be written.
    Exists,
    /// Any other.
    Other,
}

/// What to do about the system's refusal.
fn advice_on(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "check the path's spelling, and the folder that it starts from",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "check the permissions, or give another folder"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make some free space, or give another disk's folder"
        }
        _ => "check the path, the permissions and the free space",
    }
}

/// How the hidden names end that files and folders have until they are complete: `.NAME.PROCESS-COUNT.partial`.
pub(crate) const PARTIAL: &str = ".partial";

/// A text with the final names in place of hidden ones, which no user knows.
fn with_final_names(text: String) -> String {
    let mut shown = String::new();
    let mut rest = &*text;
    while let Some((head, tail)) = rest.split_once(PARTIAL) {
        let (before, name) = head.split_at(head.rfind(['/', '\'', '"']).map_or(0, |at| at + 1));
        match name.strip_prefix('.').and_then(|name| name.rsplit_once('.')) {
            Some((name, count)) if count.contains('-') => shown.extend([before, name]),
            _ => shown.extend([head, PARTIAL]),
        }
        rest = tail;
    }
    shown + rest
}

/// The words of another library, on one line.
pub(crate) fn on_one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An input that cannot be used: where, what, what to do. See [`Error::Input`].
    pub fn input(place: impl Into<String>, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        let [place, problem] = [place.into(), problem.into()].map(with_final_names);
        Self::Input { kind: InputKind::Other, place, problem, advice: advice.into() }
    }

    /// An input file that cannot be used. See [`Error::Input`].
    pub fn file(path: impl AsRef<Path>, problem: impl Into<String>, advice: impl Into<String>) -> Self {
        let path = path.as_ref();
        Self::input(path.display().to_string(), problem, advice)
    }

    /// For `map_err`: an error of other code, whose words are kept.
    ///
    /// ```
    /// let error = "x".parse::<f32>().map_err(lcz::Error::other).unwrap_err();
    /// assert_eq!(error.to_string(), "invalid float literal");
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// For `map_err`: the failure of an operation that fails by a mistake in this crate only.
    pub(crate) fn internal<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Internal { what, detail: error.to_string() }
    }

    /// The same error, of this kind.
    pub(crate) fn of_kind(mut self, of: InputKind) -> Self {
        if let Self::Input { kind, .. } = &mut self {
            *kind = of;
        }
        self
    }

    /// An error of values, with the file that they were read from before its place.
    pub(crate) fn within(mut self, path: &Path) -> Self {
        if let Self::Input { place, .. } = &mut self {
            *place = format!("{}, {place}", path.display());
        }
        self
    }

    /// The same error at another place.
    pub(crate) fn at(mut self, other: String) -> Self {
        if let Self::Input { place, .. } = &mut self {
            *place = other;
        }
        self
    }

    /// For `map_err`: ties an I/O error to the file that it concerns.
    ///
    /// ```
    /// # use std::path::Path;
    /// let path = Path::new("no/such/file");
    /// let error = std::fs::read(path).map_err(lcz::Error::io(path)).unwrap_err();
    /// assert!(error.to_string().starts_with("no/such/file: "));
    /// ```
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref();
        let path = match path.to_str() {
            Some(text) => with_final_names(text.to_owned()).into(),
            None => path.to_owned(),
        };
        move |source| Self::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_are_shown_as_the_final_ones() {
        let hdf5 = "unable to open file: name = 'a b/.sen 2.h5.123-4.partial', errno = 28";
        let error = Error::file(Path::new("x/.city.7-0.partial/.B2.tif.7-1.partial"), hdf5, "free space");
        let wanted = "x/city/B2.tif: unable to open file: name = 'a b/sen 2.h5', errno = 28; free space";
        assert_eq!(error.to_string(), wanted);
        let error = Error::io(Path::new(".run.7-0.partial/a"))(ErrorKind::NotFound.into()).to_string();
        assert!(error.starts_with("run/a: "), "{error}");
        for other in ["a.partial: b", ".partial", "x/a.1-2.partial", "é.partial.partial"] {
            assert_eq!(with_final_names(other.to_owned()), other);
        }
    }

    #[test]
    fn a_program_finds_the_missing_band_and_the_taken_name_in_the_kind() {
        let bands = |name| crate::Bands::named([name]).unwrap();
        let error = bands("B2").positions(&bands("B11")).unwrap_err().within(Path::new("a.h5"));
        assert_eq!(error.to_string(), "a.h5, band 'B11': not among B2; choose among these");
        assert!(matches!(error, Error::Input { kind: InputKind::MissingBand(band), .. } if band == "B11"));
        let taken = crate::files::check_free(Path::new("/")).unwrap_err();
        assert!(matches!(taken, Error::Input { kind: InputKind::Exists, .. }));
    }

    #[test]
    fn the_advice_fits_what_the_system_says() {
        let said = |kind: ErrorKind| Error::io(Path::new("a/b"))(kind.into()).to_string();
        let missing = said(ErrorKind::NotFound);
        assert!(missing.starts_with("a/b: ") && missing.contains("check the path"), "{missing}");
        assert!(!missing.contains("free space") && !missing.contains("permissions"), "{missing}");
        assert!(said(ErrorKind::PermissionDenied).contains("permissions"));
        assert!(said(ErrorKind::StorageFull).contains("free space"));
        assert!(said(ErrorKind::Other).contains("the path, the permissions and the free space"));
    }
}
