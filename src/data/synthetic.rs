//! A small synthetic So2Sat.
