//! The files of a tar archive that is not compressed, as they lie in it.
//!
//! A tar is a header of 512 bytes before each file (POSIX.1-1988, `ustar`): its name in bytes 0–99, its size in octal digits in
//! 124–135, a checksum in 148–155, its kind in 156, the folders of a long name in 345–499. Files begin at whole multiples of 512.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use crate::files::open_file;
use crate::{Error, Result};

const BLOCK: u64 = 512;
/// Files of an archive at most.
const MOST_FILES: usize = 10_000;
const GET_AGAIN: &str = "download it again, or unpack it and give the folder";

/// The name of each file, and its bytes in the archive.
pub(super) fn files(path: &Path) -> Result<Vec<(String, Range<u64>)>> {
    let mut archive = open_file(path)?;
    let length = archive.metadata().map_err(Error::io(path))?.len();
    let refuse = |problem: &str| Error::file(path, problem, GET_AGAIN);
    let (mut files, mut at) = (Vec::new(), 0);
    while at + BLOCK <= length && files.len() < MOST_FILES {
        let mut header = [0; BLOCK as usize];
        let read = archive.seek(SeekFrom::Start(at)).and_then(|_| archive.read_exact(&mut header));
        read.map_err(Error::io(path))?;
        // The archive ends with blocks of zeros.
        if header.iter().all(|&byte| byte == 0) {
            return Ok(files);
        }
        let size = octal(&header[124..136]).filter(|_| octal(&header[148..156]) == Some(checksum(&header)));
        let Some(size) = size else { return Err(refuse("not a tar archive, or a damaged one")) };
        let start = at + BLOCK;
        let end = start.checked_add(size).filter(|&end| end <= length);
        let Some(end) = end else { return Err(refuse("the archive ends early")) };
        // Kind 0 is a file; others are folders, links and the names of those that have too long ones.
        if matches!(header[156], b'0' | 0) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
            let (name, folder) = (text(&header[..100]), text(&header[345..500]));
            let name = if header[257..262] == *b"ustar" && !folder.is_empty() {
                format!("{folder}/{name}")
            } else {
                name
            };
            files.push((name, start..end));
        }
        at = end.next_multiple_of(BLOCK);
    }
    Err(refuse(if files.len() < MOST_FILES {
        "the archive ends early"
    } else {
        "an archive of too many files"
    }))
}

/// The bytes of a small file, `most` of them at most.
pub(super) fn bytes(path: &Path, range: &Range<u64>, most: u64) -> io::Result<Vec<u8>> {
    let mut archive = File::open(path)?;
    archive.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    archive.take((range.end - range.start).min(most)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A number in octal digits, among spaces and zero bytes.
fn octal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

/// The sum of the header's bytes, those of the sum itself being spaces.
fn checksum(header: &[u8]) -> u64 {
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = header[148..156].iter().map(|&byte| u64::from(byte)).sum();
    sum - own + 8 * u64::from(b' ')
}
