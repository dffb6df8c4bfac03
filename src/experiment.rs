//! Run folders and settings.
