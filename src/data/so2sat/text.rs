//! Text in HDF5 files.
//!
//! HDF5 keeps strings of variable length in heaps, and its library (1.10.8) follows an attribute's reference into them
//! without a check: one flipped bit ends the process. Files written here hold strings of fixed length only. Strings of variable
//! length in other files are looked up here: the library returns the references, this module follows them.
//!
//! The HDF Group, *HDF5 File Format Specification* 3.0, III.E: Global Heap.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::c_void;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::OnceLock;

use hdf5::types::TypeDescriptor;
use hdf5::{Container, Extents, Location};
use hdf5_sys::h5::herr_t;
use hdf5_sys::h5a::{H5Aread, H5Awrite};
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5i::H5I_type_t::H5I_ATTR;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::H5S_ALL;
use hdf5_sys::h5t::{
    H5T_C_S1, H5T_PERS_SOFT, H5T_VARIABLE, H5T_cdata_t, H5T_class_t, H5Tcopy, H5Tcreate, H5Tget_size,
    H5Tregister, H5Tset_size,
};

/// Bytes of a text attribute at most: HDF5 gives all of an attribute 64 KiB.
pub(crate) const LONGEST: usize = 64_000;

/// Bytes of a reference into a heap: length (4), address of the collection (8), number of the object (4).
const REFERENCE: usize = 16;

/// Writes a text attribute.
pub(crate) fn write_text(to: &Location, name: &str, text: &str) -> hdf5::Result<()> {
    write_strings(to, name, Extents::Scalar, &[text])
}

/// Writes a list of names as an array of strings.
pub(crate) fn write_names(to: &Location, name: &str, names: &[String]) -> hdf5::Result<()> {
    write_strings(to, name, names.len().into(), names)
}

fn write_strings<S: AsRef<str>>(to: &Location, name: &str, shape: Extents, texts: &[S]) -> hdf5::Result<()> {
    // A type of no bytes does not exist.
    let longest = texts.iter().map(|text| text.as_ref().len()).max().unwrap_or(0).max(1);
    if longest * texts.len() > LONGEST || texts.iter().any(|text| text.as_ref().contains('\0')) {
        return Err(format!("the text of attribute '{name}' has a NUL or more than {LONGEST} bytes").into());
    }
    let mut bytes = vec![0; longest * texts.len()];
    for (place, text) in bytes.chunks_exact_mut(longest).zip(texts) {
        place[..text.as_ref().len()].copy_from_slice(text.as_ref().as_bytes());
    }
    let kind = TypeDescriptor::FixedUnicode(longest);
    let attribute = to.new_attr_builder().empty_as(kind).shape(shape).create(name)?;
    let kind = attribute.dtype()?;
    // SAFETY: the attribute and the type are open. The function reads as many elements of the attribute's type as there are
    // texts, which `bytes` holds, and keeps no pointer. The library's lock is held.
    let status = hdf5::sync::sync(|| unsafe { H5Awrite(attribute.id(), kind.id(), bytes.as_ptr().cast()) });
    if status < 0 { Err(format!("attribute '{name}' cannot be written").into()) } else { Ok(()) }
}

/// All strings of an attribute or dataset, of whichever of HDF5's string types; none if it holds anything else, or
/// references that lead nowhere.
pub(crate) fn texts(from: &Container) -> Option<Vec<String>> {
    let kind = from.dtype().ok()?;
    let text = |bytes: &[u8]| {
        // Strings end at their first NUL; Fortran's are filled with spaces.
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).ok().map(|text| text.trim_end_matches(' ').to_owned())
    };
    match kind.to_descriptor().ok()? {
        TypeDescriptor::FixedAscii(_) | TypeDescriptor::FixedUnicode(_) if kind.size() > 0 => {
            raw(from, kind.id(), kind.size())?.chunks_exact(kind.size()).map(text).collect()
        }
        TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode => {
            let mut heap = Heap::of(from)?;
            let references = raw(from, reference_type()?, REFERENCE)?;
            let references = references.as_chunks::<REFERENCE>().0.iter();
            references.map(|reference| text(heap.object(reference)?)).collect()
        }
        _ => None,
    }
}

/// The elements of an attribute or dataset, in the memory type `kind` of `size` bytes.
fn raw(from: &Container, kind: hid_t, size: usize) -> Option<Vec<u8>> {
    let length = from.size().checked_mul(size)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    let to: *mut c_void = bytes.as_mut_ptr().cast();
    // SAFETY: the object and the type are open. The function writes one element of `size` bytes, the type's size, for each
    // of the object's elements, which `bytes` has room for, and keeps no pointer. The library's lock is held.
    let status = hdf5::sync::sync(|| unsafe {
        if from.id_type() == H5I_ATTR {
            H5Aread(from.id(), kind, to)
        } else {
            H5Dread(from.id(), kind, H5S_ALL, H5S_ALL, H5P_DEFAULT, to)
        }
    });
    (status >= 0).then_some(bytes)
}

/// A type of plain bytes that HDF5 converts strings of variable length to: to their references, not to what these lead to.
fn reference_type() -> Option<hid_t> {
    static TYPE: OnceLock<Option<hid_t>> = OnceLock::new();
    extern "C" fn keep(
        from: hid_t,
        _: hid_t,
        _: *mut H5T_cdata_t,
        _: usize,
        _: usize,
        _: usize,
        _: *mut c_void,
        _: *mut c_void,
        _: hid_t,
    ) -> herr_t {
        // SAFETY: HDF5 calls this with an open type, and holds its lock. Files with addresses of other than 8 bytes have
        // references of another size.
        if unsafe { H5Tget_size(from) } == REFERENCE { 0 } else { -1 }
    }
    *TYPE.get_or_init(|| {
        // SAFETY: plain calls on types that were just made. The conversion has nothing to do: references have the size of
        // the plain bytes. The library's lock is held.
        hdf5::sync::sync(|| unsafe {
            let strings = H5Tcopy(*H5T_C_S1);
            let bytes = H5Tcreate(H5T_class_t::H5T_OPAQUE, REFERENCE);
            let made = H5Tset_size(strings, H5T_VARIABLE) >= 0
                && H5Tregister(H5T_PERS_SOFT, c"heap reference".as_ptr(), strings, bytes, Some(keep)) >= 0;
            made.then_some(bytes)
        })
    })
}

/// The heaps of a file: collections of objects, each at an address, read on first use.
struct Heap {
    file: fs::File,
    bytes: u64,
    /// Where address 0 is: behind the user's block.
    base: u64,
    collections: HashMap<u64, Collection>,
}

impl Heap {
    fn of(container: &Container) -> Option<Self> {
        let holder = container.file().ok()?;
        let file = fs::File::open(holder.filename()).ok()?;
        let bytes = file.metadata().ok()?.len();
        Some(Self { file, bytes, base: holder.userblock(), collections: HashMap::new() })
    }

    /// What a reference leads to; none if nothing of that length is there.
    fn object(&mut self, reference: &[u8; REFERENCE]) -> Option<&[u8]> {
        let (length, rest) = reference.split_first_chunk::<4>()?;
        let (address, number) = rest.split_first_chunk::<8>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return Some(&[]);
        }
        let address = u64::from_le_bytes(*address);
        let number = u32::from_le_bytes(number.try_into().ok()?);
        if !self.collections.contains_key(&address) {
            let collection = self.collection(address)?;
            self.collections.insert(address, collection);
        }
        let Collection { bytes, objects } = self.collections.get(&address)?;
        bytes.get(objects.get(&number)?.clone())?.get(..length)
    }

    /// `GCOL`, version 1, three unused bytes, the collection's size (8), then its objects.
    fn collection(&mut self, address: u64) -> Option<Collection> {
        let start = self.base.checked_add(address)?;
        let left = self.bytes.checked_sub(start)?;
        self.file.seek(SeekFrom::Start(start)).ok()?;
        let mut head = [0; 16];
        self.file.read_exact(&mut head).ok()?;
        let size = u64::from_le_bytes(*head.last_chunk()?);
        if !head.starts_with(b"GCOL\x01") || !(16..=left).contains(&size) {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(size - 16).ok()?];
        self.file.read_exact(&mut bytes).ok()?;
        Some(Collection { objects: objects(&bytes), bytes })
    }
}

struct Collection {
    bytes: Vec<u8>,
    /// Where each object's data lie, by its number.
    objects: HashMap<u32, Range<usize>>,
}

/// An object is its number (2), a count (2), four unused bytes, its size (8) and its data, up to a multiple of eight bytes.
/// Number 0 is the free space behind them.
fn objects(bytes: &[u8]) -> HashMap<u32, Range<usize>> {
    let mut objects = HashMap::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let (number, size) = (
            u16::from_le_bytes([head[0], head[1]]),
            u64::from_le_bytes(head[8..].try_into().unwrap_or_default()),
        );
        let start = at + 16;
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| start.checked_add(size))
            .filter(|end| *end <= bytes.len());
        let (1.., Some(end)) = (number, end) else { break };
        objects.insert(u32::from(number), start..end);
        at = end.next_multiple_of(8);
    }
    objects
}
