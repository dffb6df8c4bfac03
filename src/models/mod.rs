//! The networks and other classifiers.
