//! Reads NumPy's `.npz`: a ZIP file of uncompressed `.npy` arrays, as `numpy.savez` writes it.

use std::collections::BTreeMap;
use std::path::Path;

/// Arrays by name: shape, and numbers in C order.
pub type Arrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The f32 arrays of a file. Arrays of other types are left out.
pub fn read(path: &Path) -> Arrays {
    let file = std::fs::read(path).unwrap();
    let mut arrays = BTreeMap::new();
    let mut at = 0;
    // One local header and its data after another, then the central directory.
    while file[at..].starts_with(b"PK\x03\x04") {
        assert_eq!(u16_at(&file, at + 8), 0, "a compressed entry");
        let name = at + 30;
        let extra = name + u16_at(&file, at + 26);
        let data = extra + u16_at(&file, at + 28);
        // numpy writes the lengths as ZIP64 does: 8 bytes each, in the extra field behind its own head.
        let end = data + usize::try_from(u64_at(&file, extra + 4)).unwrap();
        let name = std::str::from_utf8(&file[name..extra]).unwrap().trim_end_matches(".npy");
        if let Some(array) = array(&file[data..end]) {
            arrays.insert(name.to_owned(), array);
        }
        at = end;
    }
    arrays
}

/// An `.npy` file: magic, version 1.0, the length of a description, the description, the numbers.
fn array(npy: &[u8]) -> Option<(Vec<usize>, Vec<f32>)> {
    assert!(npy.starts_with(b"\x93NUMPY\x01\x00"), "not an .npy of version 1.0");
    let (description, numbers) = npy[10..].split_at(u16_at(npy, 8));
    let description = std::str::from_utf8(description).unwrap();
    assert!(description.contains("'fortran_order': False"), "{description}");
    if !description.contains("'<f4'") {
        return None;
    }
    let shape = description.split_once('(')?.1.split_once(')')?.0;
    let shape = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    Some((shape, numbers.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()))
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
