//! So2Sat LCZ42 files and those of the same layout.
