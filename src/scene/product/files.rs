//! The files of a product: where they are, and their bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use zip::{CompressionMethod, ZipArchive};

use super::GIVE;
use crate::error::on_one_line;
use crate::files::{read_at_most, read_file};
use crate::scene::jpeg2000::{Bytes, GET_AGAIN};
use crate::{Error, Result};

/// Bytes of an XML file and of an image at most: a product's have some 5 and 150 megabytes.
const LARGEST_XML: u64 = 64 << 20;
const LARGEST_IMAGE: u64 = 1 << 30;
/// Bytes of an image for one byte of an archive at most: JPEG 2000 is packed already.
const MOST_DEFLATED: u64 = 20;
/// Files and folders of a product at most, and folders in each other: links may lead in a circle.
const MOST_FILES: usize = 100_000;
const DEEPEST: usize = 6;

/// Where a product is: a folder, or a folder within an archive; and the requested tile.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder or the archive.
    path: PathBuf,
    zipped: bool,
    granule: Option<String>,
}

/// The files of a product.
#[derive(Debug)]
pub(super) struct Files {
    place: Place,
    /// The path in an archive before the names.
    prefix: String,
    /// Paths within the product, with their number in an archive.
    names: BTreeMap<String, usize>,
}

impl Files {
    /// The product that a path means.
    pub fn locate(path: &Path) -> Option<Place> {
        let here = |path: &Path| Place { path: path.to_owned(), zipped: false, granule: None };
        let name = path.file_name()?.to_string_lossy().into_owned();
        if path.is_file() {
            if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) {
                return Some(Place { zipped: true, ..here(path) });
            }
            return is_main(&name).then(|| here(path.parent().unwrap_or(Path::new("."))));
        }
        if path.is_dir() {
            if holds_main(path) {
                return Some(here(path));
            }
            // As some programs unpack: a folder around the folder.
            let inner = std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
            let inner: Vec<PathBuf> = inner
                .filter(|path| path.extension().is_some_and(|ending| ending == "SAFE") && holds_main(path))
                .collect();
            if let [inner] = inner.as_slice() {
                return Some(here(inner));
            }
            let root = path.parent().filter(|parent| parent.ends_with("GRANULE"))?.parent()?;
            let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
            // A folder that is called a product without its XML is one that lacks it.
            return holds_main(root).then(|| Place { granule: Some(name), ..here(root) });
        }
        ["SAFE", "zip"].iter().find_map(|ending| {
            let other = path.with_file_name(format!("{name}.{ending}"));
            if other.exists() { Self::locate(&other) } else { None }
        })
    }

    pub fn list(place: Place) -> Result<Self> {
        let mut files = Self { place, prefix: String::new(), names: BTreeMap::new() };
        if files.place.zipped {
            files.list_archive()?;
        } else {
            let root = files.place.path.clone();
            files.list_folder(&root, "", 0, &mut 0)?;
        }
        Ok(files)
    }

    fn list_folder(&mut self, folder: &Path, before: &str, depth: usize, met: &mut usize) -> Result<()> {
        for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
            *met += 1;
            if *met > MOST_FILES {
                let problem = format!("more than {MOST_FILES} files and folders in it");
                return Err(Error::file(&self.place.path, problem, GIVE));
            }
            let entry = entry.map_err(Error::io(folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (path, name) = (entry.path(), format!("{before}{name}"));
            if path.is_dir() {
                if depth < DEEPEST {
                    self.list_folder(&path, &format!("{name}/"), depth + 1, met)?;
                }
            } else if path.is_file() {
                // A pipe or a device would be waited for, or never end.
                self.names.insert(name, 0);
            }
        }
        Ok(())
    }

    fn list_archive(&mut self) -> Result<()> {
        let archive = self.archive()?;
        if archive.len() > MOST_FILES {
            let problem = format!("more than {MOST_FILES} files in it");
            return Err(Error::file(&self.place.path, problem, GIVE));
        }
        let names: Vec<(usize, String)> = (0..archive.len())
            .filter_map(|k| Some((k, archive.name_for_index(k)?.ok()?.replace('\\', "/"))))
            .filter(|(_, name)| !name.ends_with('/'))
            .collect();
        let split = |name: &str| name.rfind('/').map_or(0, |at| at + 1);
        let main = names.iter().filter(|(_, name)| is_main(&name[split(name)..]));
        let Some((_, main)) = main.min_by_key(|(_, name)| name.matches('/').count()) else {
            let problem = "no Sentinel-2 product: MTD_MSIL1C.xml or MTD_MSIL2A.xml is missing in it";
            return Err(Error::file(&self.place.path, problem, GIVE));
        };
        main[..split(main)].clone_into(&mut self.prefix);
        let within =
            names.iter().filter_map(|(k, name)| Some((name.strip_prefix(&self.prefix)?.to_owned(), *k)));
        self.names = within.collect();
        Ok(())
    }

    fn archive(&self) -> Result<ZipArchive<File>> {
        let path = &self.place.path;
        let file = File::open(path).map_err(Error::io(path))?;
        ZipArchive::new(file).map_err(|error| {
            let problem = format!("not a zip that is complete: {}", on_one_line(&error.to_string()));
            Error::file(path, problem, GET_AGAIN)
        })
    }

    pub fn root(&self) -> &Path {
        &self.place.path
    }

    /// The name of the folder.
    pub fn root_name(&self) -> &str {
        let outer = self.place.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.prefix.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(outer)
    }

    /// A file's path, for messages.
    pub fn shown(&self, name: &str) -> PathBuf {
        self.place.path.join(&self.prefix).join(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The one file of a kind.
    pub fn only(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<String> {
        let found: Vec<&str> = self.names().filter(|name| is(name)).collect();
        match found.as_slice() {
            [name] => Ok((*name).to_owned()),
            [] => Err(Error::file(self.root(), format!("{what} is missing"), GET_AGAIN)),
            [first, second, ..] => {
                let problem = format!("{first} and {second}: one is expected");
                Err(Error::file(self.root(), problem, GET_AGAIN))
            }
        }
    }

    /// The folder of the tile.
    pub fn granule(&self) -> Result<String> {
        if let Some(name) = &self.place.granule {
            return Ok(format!("GRANULE/{name}"));
        }
        let inner = |name: &str| Some(name.strip_prefix("GRANULE/")?.split_once('/')?.0.to_owned());
        let mut granules: Vec<String> = self.names().filter_map(inner).collect();
        granules.dedup();
        match granules.as_slice() {
            [name] => Ok(format!("GRANULE/{name}")),
            [] => Err(Error::file(self.root(), "its folder GRANULE is missing or empty", GET_AGAIN)),
            [first, ..] => {
                let problem = format!("{} tiles in one product", granules.len());
                let advice = format!(
                    "give the folder of one, unpacked: {}",
                    self.shown("GRANULE").join(first).display()
                );
                Err(Error::file(self.root(), problem, advice))
            }
        }
    }

    /// An XML file.
    pub fn text(&self, name: &str) -> Result<String> {
        let place = self.shown(name);
        let bytes = if self.place.zipped {
            let mut archive = self.archive()?;
            let entry = archive.by_index(self.names[name]).map_err(|error| self.unreadable(name, &error))?;
            read_at_most(entry, &place, LARGEST_XML)?
        } else {
            read_file(&place, LARGEST_XML)?
        };
        String::from_utf8(bytes).map_err(|_| Error::file(&place, "not text in UTF-8", GET_AGAIN))
    }

    /// The bytes of an image: where they are; of a deflated one a temporary file, so that memory does not hold it.
    pub fn open(&self, name: &str) -> Result<Bytes> {
        let place = self.shown(name);
        let Some(&index) = self.names.get(name) else {
            return Err(Error::file(&place, "this part of the product is missing", GET_AGAIN));
        };
        if !self.place.zipped {
            return Bytes::of_file(&place).map_err(Error::io(&place));
        }
        let mut archive = self.archive()?;
        let entry = archive.by_index(index).map_err(|error| self.unreadable(name, &error))?;
        let size = entry.size();
        if entry.compression() == CompressionMethod::Stored
            && let Some(start) = entry.data_start()
        {
            return Ok(Bytes::Part {
                file: self.place.path.clone(),
                bytes: start..start.saturating_add(size),
            });
        }
        let most = LARGEST_IMAGE.min(MOST_DEFLATED * entry.compressed_size() + (1 << 20));
        if size > most {
            let problem = format!("{size} bytes of an image, of {most} at most");
            return Err(Error::file(&place, problem, GET_AGAIN));
        }
        let refused = |error: io::Error| {
            let problem = format!("cannot be unpacked: {}", on_one_line(&error.to_string()));
            let advice =
                format!("make {size} bytes of space in {}, or unpack it", std::env::temp_dir().display());
            Error::file(&place, problem, advice)
        };
        let mut unpacked = NamedTempFile::with_prefix("lcz-").map_err(refused)?;
        io::copy(&mut entry.take(most), &mut unpacked).map_err(refused)?;
        Ok(Bytes::Unpacked(Arc::new(unpacked.into_temp_path())))
    }

    fn unreadable(&self, name: &str, error: &zip::result::ZipError) -> Error {
        Error::file(self.shown(name), on_one_line(&error.to_string()), GET_AGAIN)
    }
}

/// Whether a folder has a product's XML.
fn holds_main(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(io::Result::ok);
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(is_main))
}

fn is_xml(name: &str) -> bool {
    !name.contains('/') && Path::new(name).extension().is_some_and(|ending| ending == "xml")
}

pub(super) fn is_main(name: &str) -> bool {
    let xml = is_xml(name);
    xml && (name.starts_with("MTD_MSIL") || name.contains("_MTD_SAFL"))
}

pub(super) fn is_tile_xml(name: &str) -> bool {
    let xml = is_xml(name);
    xml && (name == "MTD_TL.xml" || name.contains("_MTD_L1C_TL_") || name.contains("_MTD_L2A_TL_"))
}
