//! Files and folders that appear whole or not at all: written under a hidden name next to the final
//! one, flushed to disk, then renamed, which is one step of the file system.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use csv::StringRecord;

use crate::error::{InputKind, PARTIAL};
use crate::{Error, Result};

/// Writes a file that appears whole or not at all; one of that name is replaced.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = Partial::file(path)?;
    File::create(partial.path()).and_then(|mut file| file.write_all(bytes)).map_err(Error::io(path))?;
    partial.replace()
}

/// Bytes of a text at most: endless inputs, such as /dev/zero, end here.
const LONGEST_TEXT: u64 = 1 << 28;

/// The bytes of a text file. Of pipes only those of a shell (`/dev/stdin`, `<(…)`) are read: any other may have no writer.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let file =
        if path.starts_with("/dev") { File::open(path).map_err(Error::io(path))? } else { open_file(path)? };
    read_at_most(file, path, LONGEST_TEXT)
}

/// What is left of a file, or one line if that is more than `most` bytes.
pub(crate) fn read_at_most(file: impl Read, path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > most { Err(too_long(path, most)) } else { Ok(bytes) }
}

fn too_long(path: &Path, most: u64) -> Error {
    Error::file(path, format!("more than {most} bytes"), "check that it is the right file, or split it")
}

/// The bytes of a file, neither pipe nor device; nothing is read of one with more than `most` bytes.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = open_file(path)?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    if length > most { Err(too_long(path, most)) } else { read_at_most(file, path, most) }
}

/// A file that is read in any order. A pipe or a device is refused before it is opened, since a pipe waits for a writer.
pub(crate) fn open_file(path: &Path) -> Result<File> {
    if !fs::metadata(path).map_err(Error::io(path))?.is_file() {
        let problem = "not a file";
        return Err(Error::file(path, problem, "give a file: copy what a pipe or a device holds into one"));
    }
    File::open(path).map_err(Error::io(path))
}

/// A text file in UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let text = String::from_utf8(read_bytes(path)?);
    text.map_err(|_| Error::file(path, "not UTF-8 text", "check that it is the right file"))
}

/// What separates the fields of a table, by its first line: a comma, unless there are only semicolons or tabs outside quotes.
fn separator(text: &str) -> u8 {
    let first =
        text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let outside: String = first.split('"').step_by(2).collect();
    let only = |separator: char| outside.contains(separator) && !outside.contains(',');
    if only(';') {
        b';'
    } else if only('\t') {
        b'\t'
    } else {
        b','
    }
}

/// A number with a decimal comma, as spreadsheets write it between semicolons; any other field as it is.
fn with_decimal_point(field: &str) -> String {
    let other = field.replacen(',', ".", 1);
    let is_number = field.contains(',') && field.chars().all(|c| c.is_ascii_digit() || ",+-eE".contains(c));
    if is_number && other.parse::<f64>().is_ok() { other } else { field.to_owned() }
}

/// The records of a CSV (RFC 4180), each with its line; without empty lines and comments, fields without the spaces around
/// them. Semicolons (with decimal commas) and tabs are read too, and Excel's first line `sep=`.
pub(crate) fn csv_rows(text: &str, path: &Path) -> Result<Vec<(usize, StringRecord)>> {
    // Excel's byte order mark is not part of the first name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = match text.strip_prefix("sep=").map(str::as_bytes) {
        Some([separator @ (b';' | b'\t' | b','), ..]) => *separator,
        _ => separator(text),
    };
    let is_skipped = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .delimiter(separator);
    let mut rows = Vec::new();
    for record in reader.from_reader(text.as_bytes()).into_records() {
        let record =
            record.map_err(|e| Error::file(path, e.to_string(), "write a CSV, fields between commas"))?;
        // The parser's position is before what it has skipped.
        let (line, byte) = record.position().map_or((0, 0), |at| (at.line() as usize, at.byte() as usize));
        let skipped = text[byte..].lines().take_while(is_skipped).count();
        if record.iter().any(|field| !field.is_empty())
            && !(rows.is_empty() && text[byte..].starts_with("sep="))
        {
            let record =
                if separator == b',' { record } else { record.iter().map(with_decimal_point).collect() };
            rows.push((line + skipped, record));
        }
    }
    Ok(rows)
}

/// Gives whole files their names, which nothing may have; the last is the set's main file, by which a set is known to be whole.
///
/// A note next to them names all meanwhile. Of a set that a kill has cut short, [`clear_unfinished`] removes the files that exist.
pub(crate) fn publish(files: Vec<Partial>) -> Result<()> {
    let Some(main) = files.last() else { return Ok(()) };
    files.iter().try_for_each(|file| check_free(&file.target))?;
    let note = note(&main.target);
    let mut names = format!("{}\n", process::id());
    for name in files.iter().filter_map(|file| file.target.file_name()?.to_str()) {
        names.push_str(name);
        names.push('\n');
    }
    write_whole(&note, names.as_bytes())?;
    let published = files.into_iter().try_for_each(Partial::become_new);
    // Without its note a set is complete, or an error was reported; a note that remains does not harm a complete set.
    let _ = fs::remove_file(&note);
    published
}

/// Removes the files of a set that a kill has cut short, known by its main file's name, so that it can be written again.
pub(crate) fn clear_unfinished(main: &Path) {
    let note = note(main);
    let Ok(names) = fs::read_to_string(&note) else { return };
    let mut names = names.lines();
    if names.next().and_then(|process| process.parse().ok()).is_none_or(is_alive) {
        return;
    }
    if !main.exists() {
        let plain = |name: &&str| Path::new(name).file_name().is_some_and(|last| last == *name);
        for name in names.filter(plain) {
            let _ = fs::remove_file(main.with_file_name(name));
        }
    }
    let _ = fs::remove_file(&note);
}

/// Where the names of a set stand while its files get them.
fn note(main: &Path) -> PathBuf {
    main.with_file_name(format!(".{}.unfinished", main.file_name().unwrap_or_default().to_string_lossy()))
}

/// Keeps other processes from working on a folder as long as this is held, such as a second training of one run. None where the
/// system has no such locks.
pub(crate) fn lock(folder: &Path) -> Result<Option<File>> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            Err(Error::file(folder, "another process is working on it", "wait until that has ended"))
        }
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// A file or folder on its way: fill what lies at [`path`](Self::path), then let it
/// [`replace`](Self::replace) or [`become_new`](Self::become_new). Dropped before, it leaves nothing.
///
/// The hidden name has the process number, so that files of a killed process are recognised and removed when the
/// same file or folder is written again. A process of another machine that writes the same file at the
/// same time into a shared folder is taken for an ended one.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    _above: Option<NewFolders>,
}

/// Folders that were made for files to come. Dropped, it removes those that are still empty.
#[derive(Debug)]
pub(crate) struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    /// Makes a folder and those above it where they are missing.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        Ok(made)
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        // The innermost first, as long as they are empty.
        self.0.iter().all(|folder| fs::remove_dir(folder).is_ok());
    }
}

impl Partial {
    /// An empty file, to be filled.
    pub(crate) fn file(target: &Path) -> Result<Self> {
        let partial = Self::next_to(target, None)?;
        // Created here, so that the operating system's own reason is reported on failure.
        File::create(&partial.path).map_err(Error::io(target))?;
        Ok(partial)
    }

    /// An empty folder, to be filled; the folders above it are made where they are missing.
    pub(crate) fn folder(target: &Path) -> Result<Self> {
        let above = NewFolders::make(parent(target))?;
        let partial = Self::next_to(target, Some(above))?;
        fs::create_dir(&partial.path).map_err(Error::io(target))?;
        Ok(partial)
    }

    fn next_to(target: &Path, above: Option<NewFolders>) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let Some(name) = target.file_name() else {
            return Err(Error::file(target, "not the name of a file or folder", "give one"));
        };
        let hidden = format!(".{}.", name.to_string_lossy());
        remove_left_behind(parent(target), &hidden);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!("{hidden}{}-{count}{PARTIAL}", process::id()));
        Ok(Self { path, target: target.to_owned(), _above: above })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes its final name, from a file that has it, too.
    pub(crate) fn replace(self) -> Result<()> {
        let finished = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.path, &self.target));
        finished.map_err(Error::io(&self.target))?;
        // The new name is on disk when its folder is. Not every file system allows that; the file
        // is whole in any case.
        let _ = File::open(parent(&self.target)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Takes its final name, if nothing has it.
    pub(crate) fn become_new(self) -> Result<()> {
        check_free(&self.target)?;
        self.replace()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already if it has its final name; if not, an error led here, and that one is reported.
        let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir_all(&self.path));
    }
}

/// Checks that nothing has this name.
pub(crate) fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(there) => {
            let what = if there.is_dir() { "the folder exists" } else { "the file exists" };
            let error = Error::file(path, what, "choose another name, or remove it first");
            Err(error.of_kind(InputKind::Exists))
        }
    }
}

/// The folder that something lies in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what dead processes have left of a file or folder whose hidden names start with these words.
fn remove_left_behind(folder: &Path, hidden: &str) {
    // A folder that cannot be read cannot be written either, which is reported there.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| {
            let middle = name.strip_prefix(hidden)?.strip_suffix(PARTIAL)?;
            middle.split_once('-')?.0.parse::<u32>().ok()
        });
        if process.is_some_and(|process| !is_alive(process)) {
            let path = entry.path();
            // What cannot be removed does no harm; it only takes space.
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
}

/// Whether a process of this machine exists; true if unknown.
fn is_alive(process: u32) -> bool {
    if process == process::id() {
        return true;
    }
    if Path::new("/proc/self").exists() {
        return Path::new("/proc").join(process.to_string()).exists();
    }
    let mut ps = Command::new("ps");
    ps.args(["-p", &process.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ps.status().is_ok_and(|status| status.success()) || cfg!(not(unix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.csv");
        let partial = Partial::file(&target).unwrap();
        fs::write(partial.path(), "half").unwrap();
        assert!(!target.exists());
        drop(partial);
        assert!(names(folder.path()).is_empty(), "dropped, but something stays");

        let partial = Partial::file(&target).unwrap();
        fs::write(partial.path(), "whole").unwrap();
        partial.become_new().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
        assert_eq!(names(folder.path()), ["a.csv"]);
        let error = Partial::file(&target).unwrap().become_new().unwrap_err().to_string();
        assert!(error.contains("a.csv: the file exists; "), "{error}");
        write_whole(&target, b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn a_field_of_a_csv_may_hold_a_comma_and_each_record_knows_its_line() {
        let text = "\u{feff}# a note\r\n\r\ncode, class\r\n1,\"wood, dense\"\n  \n2,\"a \"\"b\"\"\"\n";
        let rows = csv_rows(text, Path::new("a.csv")).unwrap();
        let rows: Vec<(usize, Vec<&str>)> =
            rows.iter().map(|(line, fields)| (*line, fields.iter().collect())).collect();
        let wanted = [(3, vec!["code", "class"]), (4, vec!["1", "wood, dense"]), (6, vec!["2", "a \"b\""])];
        assert_eq!(rows, wanted);
    }

    #[test]
    fn a_folder_appears_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("above/run");
        let partial = Partial::folder(&target).unwrap();
        fs::write(partial.path().join("a"), "a").unwrap();
        assert!(!target.exists());
        drop(partial);
        assert!(names(folder.path()).is_empty(), "an empty folder stays");
        let partial = Partial::folder(&target).unwrap();
        fs::write(partial.path().join("a"), "a").unwrap();
        partial.become_new().unwrap();
        assert_eq!(names(&target), ["a"]);
        assert!(Partial::folder(&target).unwrap().become_new().is_err());
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_what_living_ones_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let ended = Command::new("true").spawn().map(|mut child| (child.id(), child.wait())).unwrap().0;
        let leave = |name: String| fs::write(folder.path().join(name), "half").unwrap();
        leave(format!(".a.csv.{ended}-0.partial"));
        fs::create_dir(folder.path().join(format!(".a.csv.{ended}-1.partial"))).unwrap();
        let living = format!(".a.csv.{}-7000.partial", process::id());
        leave(living.clone());
        let another = format!(".b.csv.{ended}-0.partial");
        leave(another.clone());
        write_whole(&folder.path().join("a.csv"), b"whole").unwrap();
        assert_eq!(names(folder.path()), [living, another, "a.csv".to_owned()]);
    }

    #[test]
    fn a_set_that_a_kill_has_cut_short_is_removed_when_it_is_written_again_and_no_other_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let whole = |name: &str| {
            let partial = Partial::file(&at(name)).unwrap();
            fs::write(partial.path(), "whole").unwrap();
            partial
        };
        publish(vec![whole("a.csv"), whole("a.png"), whole("a.tif")]).unwrap();
        assert_eq!(names(folder.path()), ["a.csv", "a.png", "a.tif"]);
        let error = publish(vec![whole("a.csv"), whole("b.tif")]).unwrap_err().to_string();
        assert!(error.contains("a.csv: the file exists; "), "{error}");
        // A kill: the note of a dead process, and the first two of three files.
        let ended = Command::new("true").spawn().map(|mut child| (child.id(), child.wait())).unwrap().0;
        let note = |process: u32| {
            fs::write(at(".a.tif.unfinished"), format!("{process}\na.csv\na.png\n../{}\na.tif\n", "other"))
                .unwrap();
        };
        note(ended);
        clear_unfinished(&at("a.tif"));
        assert_eq!(names(folder.path()), ["a.csv", "a.png", "a.tif"], "the set is whole");
        fs::remove_file(at("a.tif")).unwrap();
        note(process::id());
        clear_unfinished(&at("a.tif"));
        assert_eq!(names(folder.path()), [".a.tif.unfinished", "a.csv", "a.png"], "it is still written");
        note(ended);
        clear_unfinished(&at("a.tif"));
        assert!(names(folder.path()).is_empty());
        clear_unfinished(&at("a.tif"));
    }

    #[cfg(unix)]
    #[test]
    fn a_locked_folder_is_refused_until_the_lock_goes() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another process is working on it"), "{error}");
        drop(held);
        assert!(lock(folder.path()).unwrap().is_some());
    }

    #[test]
    fn a_name_that_cannot_be_written_is_told_as_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("no/such/folder/a.csv");
        let error = write_whole(&target, b"").unwrap_err().to_string();
        assert!(error.starts_with(&*target.to_string_lossy()), "{error}");
        assert!(write_whole(Path::new("/"), b"").is_err());
    }
}
