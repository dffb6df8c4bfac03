//! Networks on dfdx: devices, operations, layers, optimisers, training. dfdx is used here and in
//! `models/` only.
